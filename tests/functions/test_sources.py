"""Tables and secrets: what rules take from where they are loaded, and where a secret may go."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import orjson
import pytest

from ruleproxy.engine.loading import Loaded, load_rules
from ruleproxy.engine.tracing import render_trace, trace_exchange
from ruleproxy.messages.edited import EditedRequest
from support.running import begin, declared, request, send

TABLE = """edition 1

local models = table("tables/models.json")

rule "names" on request
when request.body.model ~= nil then
  rewrite request.body.model = models[request.body.model] ?? request.body.model
end
"""
TOKEN = """edition 1

rule "token" on request then
  rewrite request.headers["authorization"] = "Bearer " .. secret("TOKEN")
end
"""
ENVIRONMENT = {"TOKEN": "abc-123"}
LONG = {"TOKEN": "corporate-t0ken-1"}


def load(folder: Path, text: str, environment: Mapping[str, str] | None = None) -> Loaded:
    (folder / "10.rules").write_text(text, encoding="utf-8")
    return load_rules([folder], declared(), environment=environment)


def messages(loaded: Loaded) -> str:
    return " ".join(found.message for found in loaded.diagnostics)


def write_models(folder: Path, models: object) -> None:
    (folder / "tables").mkdir(exist_ok=True)
    (folder / "tables" / "models.json").write_bytes(orjson.dumps(models))


def test_a_table_lies_beside_its_rules_and_counts_as_one_of_them(tmp_path: Path) -> None:
    """Its values are used, and the checksum of the rules is another one when it changes."""
    write_models(tmp_path, {"a": "corp-a"})
    first = load(tmp_path, TABLE).ruleset
    assert first is not None
    assert orjson.loads(send(first, request({"model": "a"})).body) == {"model": "corp-a"}
    write_models(tmp_path, {"a": "corp-b"})
    second = load(tmp_path, TABLE).ruleset
    assert second is not None
    assert first.digest != second.digest


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent.json", "no such file"),
        ("../models.json", "beside the rules"),
        ("/etc/models.json", "beside the rules"),
        ("models.txt", "beside the rules"),
        ("bad.json", "is not JSON"),
        ("large.json", "more than"),
        ("link.json", "leads out of its folder"),
    ],
)
def test_a_table_that_cannot_be_read_is_named(tmp_path: Path, name: str, message: str) -> None:
    """Absent, elsewhere, no JSON, too large: the rules are not loaded, and the finding says why."""
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "bad.json").write_text("{", encoding="utf-8")
    (folder / "large.json").write_text('"' + "x" * (4 * 1024 * 1024) + '"', encoding="utf-8")
    (tmp_path / "outside.json").write_text("{}", encoding="utf-8")
    (folder / "link.json").symlink_to(tmp_path / "outside.json")
    loaded = load(
        folder, f'edition 1\n\nlocal a = table("{name}")\n\nrule "r" on request\nwhen a.b == 1 then\n  stop\nend\n'
    )
    assert loaded.ruleset is None
    assert message in messages(loaded)


def test_a_secret_goes_into_a_header_and_is_printed_by_name(tmp_path: Path) -> None:
    """The value is sent; trace and journal have only the name of it."""
    ruleset = load(tmp_path, TOKEN, ENVIRONMENT).ruleset
    assert ruleset is not None
    exchange, _ = begin(ruleset, request({}))
    assert exchange.sent is not None
    assert exchange.sent.headers == [(b"authorization", b"Bearer abc-123")]
    assert "abc-123" not in render_trace(trace_exchange(exchange))
    assert exchange.outcomes["request"][0].edits[0].after == "Bearer secret:TOKEN"


def test_a_secret_that_is_not_there_keeps_rules_from_loading(tmp_path: Path) -> None:
    """Where they shall serve; without an environment, as in checks and tests, its name is its value."""
    assert "neither TOKEN nor TOKEN_FILE is set" in messages(load(tmp_path, TOKEN, {}))
    ruleset = load(tmp_path, TOKEN).ruleset
    assert ruleset is not None
    assert send(ruleset, request({})).headers == [(b"authorization", b"Bearer secret:TOKEN")]


def test_a_secret_out_of_a_file(tmp_path: Path) -> None:
    """NAME_FILE names a file of one line, whose end is not part of the secret; what it holds is never shown."""
    (tmp_path / "token").write_text("from-file\n", encoding="utf-8")
    ruleset = load(tmp_path, TOKEN, {"TOKEN_FILE": str(tmp_path / "token")}).ruleset
    assert ruleset is not None
    assert send(ruleset, request({})).headers == [(b"authorization", b"Bearer from-file")]
    assert "cannot be read" in messages(load(tmp_path, TOKEN, {"TOKEN_FILE": str(tmp_path / "absent")}))
    for text, problem in (("two\nlines\n", "more than one line"), (" \n", "nothing"), ("x" * 70_000, "65536 bytes")):
        (tmp_path / "token").write_text(text, encoding="utf-8")
        found = messages(load(tmp_path, TOKEN, {"TOKEN_FILE": str(tmp_path / "token")}))
        assert problem in found
        assert "two" not in found


def test_a_secret_read_back_is_still_one(tmp_path: Path) -> None:
    """What was written into a header does not leave it for a body or a note."""
    text = TOKEN + (
        '\nrule "leaks" on request then\n'
        '  rewrite request.body.leak = request.headers["authorization"]\nend\n'
        '\nrule "tells" on request\nwhen request.headers["authorization"] ~= nil then\n'
        '  note request.headers["authorization"]\nend\n'
    )
    ruleset = load(tmp_path, text, ENVIRONMENT).ruleset
    assert ruleset is not None
    exchange, _ = begin(ruleset, request({}))
    assert [outcome.verdict for outcome in exchange.outcomes["request"]] == ["changed", "failed", "failed"]
    assert exchange.sent is not None
    assert exchange.sent.body == b"{}"
    assert "abc-123" not in repr(exchange.outcomes) + repr(exchange.notes)


HOST = """edition 1

rule "to the gateway" on request then
  rewrite upstream.url = "https://" .. secret("GATEWAY") .. "/v1"
end

rule "behind it" on request
when upstream.host == secret("GATEWAY") then
  rewrite upstream.base = secret("BASE")
end
"""


def test_a_secret_may_be_the_host_of_an_upstream(tmp_path: Path) -> None:
    """Where it has no value, it is a host of its own; where it has one, that has to be a declared upstream's."""
    ruleset = load(tmp_path, HOST).ruleset
    assert ruleset is not None
    sent = send(ruleset, request({}, path="/v1/messages"))
    assert (sent.origin, sent.target) == ("secret:BASE", b"/v1/messages")
    for host, verdict in (("upstream.example", "changed"), ("elsewhere.example", "failed")):
        loaded = load(tmp_path, HOST, {"GATEWAY": host, "BASE": "https://upstream.example/b"})
        assert loaded.ruleset is not None
        exchange, _ = begin(loaded.ruleset, request({}))
        assert exchange.outcomes["request"][0].verdict == verdict
    assert "is its own name" in messages(
        load(tmp_path, HOST, {"GATEWAY": "secret:GATEWAY", "BASE": "https://a.example"})
    )


def test_a_secret_is_compared_by_its_value(tmp_path: Path) -> None:
    """So that rules can let in who knows it."""
    text = (
        'edition 1\n\nrule "strangers" on request\nwhen request.headers["x-key"] ~= secret("TOKEN") then\n'
        "  respond { status = 401 }\nend\n"
    )
    ruleset = load(tmp_path, text, ENVIRONMENT).ruleset
    assert ruleset is not None
    assert begin(ruleset, request({}, headers=[(b"x-key", b"abc-123")]))[0].sent is not None
    assert begin(ruleset, request({}, headers=[(b"x-key", b"abc")]))[0].sent is None


FLOWS = {
    'rewrite request.query.k = secret("TOKEN")\n  rewrite request.body.leak = upstream.url': None,
    'rewrite request.query.k = secret("TOKEN")\n  rewrite request.body.leak = request.query': None,
    'rewrite request.query.k = secret("TOKEN")\n  note upstream.url': None,
    'rewrite request.query.k = secret("TOKEN")\n  rewrite request.method = request.query.k ?? "GET"': None,
    'rewrite request.query.k = secret("TOKEN")\n  rewrite request.path = request.query.k ?? "/"': None,
    'rewrite request.query.k = secret("TOKEN")\n  rewrite request.headers[request.query.k ?? "x"] = "v"': None,
    'rewrite request.query.k = secret("TOKEN")\n  rename request.body.model to request.query.k ?? "x"': None,
    'rewrite request.query = "a=1&k=" .. secret("TOKEN")\n  rewrite request.body.leak = request.query.k': None,
    'rewrite upstream.base = "https://upstream.example/" .. secret("TOKEN")\n  note upstream.base': None,
    'rewrite request.query.k = secret("TOKEN")\n  rewrite upstream.url = upstream.url .. "&x=1"': "k=abc-123&x=1",
    'rewrite request.query = "a=1&k=" .. secret("TOKEN")\n  rewrite request.body.a = request.query.a': "a=1&k=abc-123",
    'rewrite upstream.url = "https://upstream.example/" .. secret("TOKEN") .. "/x"': "/abc-123/x",
    'rewrite upstream.base = "https://upstream.example/" .. secret("TOKEN") .. "/"': "/abc-123/v1/messages",
    'add secret("TOKEN") to request.headers["x-k"]\n  add "b" to request.headers["x-k"]': "abc-123,b",
    'rewrite request.headers["x-k"] = { secret("TOKEN"), "b" }\n  strip "b" from request.headers["x-k"]': "abc-123",
}
"""Statements, and what of the request then holds the secret; None where the rule fails, for it would be seen."""


@pytest.mark.parametrize("statements", FLOWS)
def test_where_a_secret_may_flow(tmp_path: Path, statements: str) -> None:
    """Into headers, the query and the URL it goes, and out of them nowhere else; the trace has its name alone."""
    rule = f'edition 1\n\nrule "r" on request then\n  {statements}\nend\n'
    loaded = load(tmp_path, rule, ENVIRONMENT)
    assert loaded.ruleset is not None, messages(loaded)
    exchange, _ = begin(loaded.ruleset, request({"model": "m"}))
    (outcome,) = exchange.outcomes["request"]
    sent = exchange.sent
    assert sent is not None
    wanted = FLOWS[statements]
    assert outcome.verdict == ("failed" if wanted is None else "changed"), outcome.failure
    assert "internal error" not in (outcome.failure or "")
    head = sent.target + b" " + b" ".join(value for _, value in sent.headers)
    assert wanted is None or wanted.encode() in head
    assert b"abc-123" not in sent.body
    assert "abc-123" not in render_trace(trace_exchange(exchange)) + repr(exchange.outcomes) + repr(exchange.notes)


def test_a_secret_that_a_url_would_spell_otherwise_is_a_member_of_the_query(tmp_path: Path) -> None:
    """What would end the query's member, or the URL, is refused in a whole URL and encoded in a member."""
    environment = {"TOKEN": "a b&c/d+e"}
    for place in ("upstream.url", "upstream.base"):
        rewrite = f'rewrite {place} = "https://upstream.example/" .. secret("TOKEN")'
        text = f'edition 1\n\nrule "r" on request then\n  {rewrite}\nend\n'
        ruleset = load(tmp_path, text, environment).ruleset
        assert ruleset is not None
        (outcome,) = begin(ruleset, request({}))[0].outcomes["request"]
        assert outcome.failure is not None
        assert "cannot hold https://upstream.example/secret:TOKEN" in outcome.failure
    text = 'edition 1\n\nrule "r" on request then\n  rewrite request.query.k = secret("TOKEN")\nend\n'
    text += 'rule "s" on request then\n  rewrite request.body.leak = request.query.k\nend\n'
    ruleset = load(tmp_path, text, environment).ruleset
    assert ruleset is not None
    exchange, _ = begin(ruleset, request({}))
    assert exchange.sent is not None
    assert exchange.sent.target.endswith(b"?k=a%20b%26c%2Fd%2Be")
    assert [outcome.verdict for outcome in exchange.outcomes["request"]] == ["changed", "failed"]


def test_a_pack_shows_where_the_secret_that_it_is_given_flows(tmp_path: Path) -> None:
    """Passing a secret as a parameter makes the parameter one: a body, a note or a function is an error in the pack."""
    pack = tmp_path / "acme-pack"
    pack.mkdir()
    (pack / "pack.toml").write_text(
        'name = "acme/pack"\nversion = "1.0.0"\nedition = 1\ndescription = "a"\n[parameters.token]\ntype = "string"\n',
        encoding="utf-8",
    )
    rule = (
        'rule "k" on request then\n  rewrite request.body.k = parameters.token\n  note lower(parameters.token)\nend\n'
    )
    (pack / "10.rules").write_text(rule, encoding="utf-8")
    loaded = load(tmp_path, 'use "acme/pack" with { token = "plain" }\n', ENVIRONMENT)
    assert loaded.ruleset is not None, messages(loaded)
    loaded = load(tmp_path, 'use "acme/pack" with { token = "k " .. secret("TOKEN") }\n', ENVIRONMENT)
    assert [(found.code, found.message) for found in loaded.diagnostics] == [
        ("RP310", "a secret flows into `request.body.k`"),
        ("RP310", "a secret flows into `lower`"),
    ]
    assert all(found.primary.source.name.endswith("10.rules") for found in loaded.diagnostics)


def test_a_pack_gets_secrets_as_parameters_only(tmp_path: Path) -> None:
    """Whoever uses a pack sees which secrets it gets."""
    pack = tmp_path / "acme-pack"
    pack.mkdir()
    manifest = (
        'name = "acme/pack"\nversion = "1.0.0"\nedition = 1\ndescription = "a pack"\n'
        '[parameters.token]\ntype = "string"\n'
    )
    (pack / "pack.toml").write_text(manifest, encoding="utf-8")
    rule = 'edition 1\n\nrule "key" on request then\n  rewrite request.headers["x-key"] = {}\nend\n'
    (pack / "10.rules").write_text(rule.replace("{}", "parameters.token"), encoding="utf-8")
    use = 'edition 1\n\nuse "acme/pack" with { token = secret("TOKEN") }\n'
    loaded = load(tmp_path, use, ENVIRONMENT)
    assert loaded.ruleset is not None, messages(loaded)
    assert send(loaded.ruleset, request({})).headers == [(b"x-key", b"abc-123")]
    (pack / "10.rules").write_text(rule.replace("{}", 'secret("TOKEN")'), encoding="utf-8")
    assert "get secrets as parameters" in messages(load(tmp_path, use, ENVIRONMENT))


def test_what_fails_within_a_rule_does_not_tell_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A mishap of ours that repeats the client's key and the rule's own: masked in the log and in the outcome."""

    def fail(edited: EditedRequest, method: str) -> bool:
        raise RuntimeError(f"no {method} with {edited.headers.get('x-api-key')} and {LONG['TOKEN']}")

    monkeypatch.setattr(EditedRequest, "write_method", fail)
    ruleset = load(tmp_path, TOKEN.replace("end\n", '  rewrite request.method = "PUT"\nend\n'), LONG).ruleset
    assert ruleset is not None
    exchange, _ = begin(ruleset, request({}, headers=[(b"x-api-key", b"corp-Pl4nt3d-key-1")]))
    (outcome,) = exchange.outcomes["request"]
    assert outcome.failure is not None
    for told in (outcome.failure, caplog.text):
        assert "RuntimeError: no PUT with *masked-" in told
        assert "Pl4nt3d" not in told
        assert LONG["TOKEN"] not in told
