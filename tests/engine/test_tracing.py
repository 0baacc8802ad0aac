"""Traces of exchanges, as data and as text."""

from __future__ import annotations

import json
import re
from pathlib import Path

from ruleproxy.engine.exchange import Exchange
from ruleproxy.engine.loading import load_rules
from ruleproxy.engine.masking import mask_header, mask_parameter, mask_path, reads_secret
from ruleproxy.engine.ruleset import EMPTY, Ruleset
from ruleproxy.engine.tracing import Trace, render_trace, to_dict, trace_exchange
from ruleproxy.messages.message import Request
from ruleproxy.messages.upstreams import Upstream

UPSTREAMS = (Upstream.from_url("default", "https://upstream.example"),)
BODY = b'{"model": "m", "messages": [], "note": "%s"}' % (b"n" * 2000)


def load(folder: Path, text: str) -> Ruleset:
    file = folder / "a.rules"
    file.write_text(text, encoding="utf-8")
    ruleset = load_rules([file], None).ruleset
    assert ruleset is not None
    return ruleset


def trace(ruleset: Ruleset, request: Request) -> Trace:
    exchange = Exchange(ruleset, request, UPSTREAMS, detailed=True)
    exchange.begin()
    return trace_exchange(exchange)


def test_no_rules() -> None:
    """Without rules a trace says that there are none, and that the body goes as it came."""
    shown = render_trace(trace(EMPTY, Request("POST", b"/v1/messages", b"", [], BODY)))
    assert "(0 on request, 0 candidates)" in shown
    assert f"body    {len(BODY):,} bytes as they came".replace(",", " ") in shown


RULES = """\
rule "token" on request
when request.headers["x-api-key"] ~= nil then
  rewrite request.headers["authorization"] = "Bearer " .. request.headers["x-api-key"]
  rewrite request.query.api_key = "secret-2"
end

rule "other key" on request
when request.headers["x-api-key"] == "another" then
  strip request.body.note
end

rule "long" on request then
  rewrite request.body.note = (text(request.body.note ?? "")) .. "n"
end
"""


def test_no_credential_is_in_a_trace(tmp_path: Path) -> None:
    """Neither text nor data of a trace has a credential of a header or a query, be it read, written or compared."""
    request = Request("POST", b"/v1/messages", b"api_key=secret-1", [(b"X-Api-Key", b"secret-0")], BODY)
    made = trace(load(tmp_path, RULES), request)
    shown = render_trace(made)
    for text in (shown, json.dumps(to_dict(made))):
        assert "secret-" not in text
        assert "*masked-" in text
    assert "+ header authorization  Bearer *masked-" in shown


def test_text_is_the_same_every_time(tmp_path: Path) -> None:
    """A trace has nothing in it that differs from run to run."""
    ruleset = load(tmp_path, RULES)
    request = Request("POST", b"/v1/messages", b"", [], BODY)
    assert render_trace(trace(ruleset, request)) == render_trace(trace(ruleset, request))


def test_long_values_are_told_by_their_length(tmp_path: Path) -> None:
    """A change of a long value is told by lengths, in lines that fit."""
    shown = render_trace(trace(load(tmp_path, RULES), Request("POST", b"/v1/messages", b"", [], BODY)))
    assert "~ /note  2 002 -> 2 003 characters" in shown
    assert all(len(line) < 200 for line in shown.splitlines())


def test_data_has_what_the_text_has(tmp_path: Path) -> None:
    """The data of a trace is plain JSON with verdicts, places, reasons and sizes."""
    request = Request("POST", b"/v1/messages", b"", [], BODY)
    data = json.loads(json.dumps(to_dict(trace(load(tmp_path, RULES), request))))
    (side,) = data["sides"]
    assert [rule["verdict"] for rule in side["rules"]] == ["unmatched", "unmatched", "changed"]
    assert side["rules"][0]["false_leg"]["operands"] == [['request.headers["x-api-key"]', "nil"]]
    assert side["rules"][2]["place"].endswith("a.rules:12")
    assert side["rules"][2]["edits"][0]["where"] == "/note"
    assert side["body"]["came"] == len(BODY)
    assert side["body"]["went"] == len(BODY) + 1


def test_masking() -> None:
    """The scheme of an authorization stays; what an expression reads is known by the names in it."""
    assert re.fullmatch(r"Bearer \*masked-[0-9a-f]{8}\*", mask_header("Authorization", "Bearer sk-1"))
    assert mask_header("anthropic-beta", "a,b") == "a,b"
    assert "k-1" not in mask_parameter("key", "k-1")
    assert mask_parameter("beta", "true") == "true"
    assert mask_path("/a%2Fb?beta=true&key=k-1").startswith("/a%2Fb?beta=true&key=*masked-")
    assert reads_secret('lower(request.headers["X-Api-Key"])')
    assert reads_secret("request.query.access_token")
    assert not reads_secret('request.headers["anthropic-beta"]')
