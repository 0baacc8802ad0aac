"""Tests of rules, run in process: what whole command lines (tests/exchanges) do not show."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ruleproxy.engine.events import Send, UpstreamData, UpstreamHead
from ruleproxy.engine.loading import load_rules
from ruleproxy.rehearsal.driving import default_answer
from ruleproxy.rehearsal.testing import TestResult, run_test
from ruleproxy.wire.formats import Api


def run(folder: Path, text: str) -> list[TestResult]:
    file = folder / "a.rules"
    file.write_text(text, encoding="utf-8")
    loaded = load_rules([file], None)
    assert loaded.ruleset is not None, loaded.diagnostics
    return [run_test(test, loaded.ruleset) for test in loaded.ruleset.tests]


def test_notes_are_what_rules_noted(tmp_path: Path) -> None:
    """In order, over all sides and attempts; what a rule in shadow would note is not among them."""
    said, silent, wrong = run(
        tmp_path,
        """
rule "says" on request
when request.path == "/a" then
  note "path " .. request.path
end

rule "only would" on request, shadow then
  note "from the shadow"
end

rule "answers" on response
when response.status == 400 then
  note "refused"
  rewrite request.headers["x-again"] = "1"
  retry
end

test "said"
  given request { method = "GET", path = "/a" }
  given response { status = 400 }
  given response { status = 200 }
  expect notes == { "path /a", "refused" }
end

test "silent"
  given request { method = "GET", path = "/b" }
  expect count(notes) == 0
end

test "wrong"
  given request { method = "GET", path = "/a" }
  expect "refused" in notes
end
""",
    )
    assert said.passed
    assert silent.passed
    assert wrong.missed[0].reasons == ('notes   ["path /a"]',)


def test_unchanged_means_bytes(tmp_path: Path) -> None:
    """A value that is spelled otherwise is not unchanged, even where it is the same value; its neighbours are."""
    body = r'{"a": 1.0, "b": "\u0041", "c": {"d": [1,  2]}}'
    (result,) = run(
        tmp_path,
        f"""
rule "respell" on request then
  rewrite request.body.a = 1
end

test "bytes"
  given request {{ method = "POST", path = "/", body_text = [[{body}]] }}
  expect request.body.a == 1
  expect unchanged request.body.a
  expect unchanged request.body.b
  expect unchanged request.body.c
  expect unchanged request.body.c.d
end
""",
    )
    assert [missed.text for missed in result.missed] == ["expect unchanged request.body.a"]
    assert result.missed[0].reasons == ("came   1.0", "went   1")


def test_the_answer_counts_as_unchanged_too(tmp_path: Path) -> None:
    """`unchanged response` compares what the client got with what the upstream said, rules on the answer or not."""
    given = """
  given request { method = "POST", path = "/v1/messages", body = { model = "m" } }
  given response { status = 200, headers = { ["x-a"] = "1" }, body = { model = "m", id = "i" } }
"""
    rule = 'rule "name" on response\nwhen not response.streamed then\n  rewrite response.body.model = "n"\nend\n'
    expectations = "  expect unchanged response.body.id\n  expect unchanged response.body\n"
    (untouched,) = run(tmp_path, f'test "a"{given}{expectations}end\n')
    assert untouched.passed
    (touched,) = run(tmp_path, f'{rule}\ntest "a"{given}{expectations}end\n')
    assert [missed.text for missed in touched.missed] == ["expect unchanged response.body"]


def test_locals_of_the_file_are_there(tmp_path: Path) -> None:
    """What a file names at its top can be given and expected."""
    (result,) = run(
        tmp_path,
        """
local names = { a = "b" }

rule "names" on request
when request.body.model in names then
  rewrite request.body.model = names[request.body.model]
end

test "locals"
  given request { method = "POST", path = "/", body = { model = "a", all = names } }
  expect request.body.model == names.a and request.body.all == names
end
""",
    )
    assert result.passed


def test_origins_that_rules_write_are_declared(tmp_path: Path) -> None:
    """A test need not declare the upstreams that rules write out, through locals, tables and joined strings."""
    (result,) = run(
        tmp_path,
        """
local gateways = { eu = "https://eu.corp.example/base" }
local other = "https://other.corp.example"

rule "eu" on request
when request.path == "/eu" then
  rewrite upstream.base = gateways.eu
end

rule "other" on request
when request.path == "/other" then
  rewrite upstream.url = other .. "/exact"
end

test "eu"
  given request { method = "GET", path = "/eu" }
  expect upstream.url == "https://eu.corp.example/base/eu"
  expect request.path == "/eu"
end
""",
    )
    assert result.passed, result


@pytest.mark.parametrize(
    ("api", "member"),
    [
        ("anthropic.messages", "content"),
        ("anthropic.count_tokens", "input_tokens"),
        ("openai.chat", "choices"),
        ("openai.responses", "output"),
        ("bedrock.invoke", "content"),
        ("vertex.rawpredict", "content"),
    ],
)
def test_default_answers(api: Api, member: str) -> None:
    """An upstream of which nothing is said answers with an empty message in the client's own format."""
    send = Send("https://upstream.example", "POST", b"/", [], b'{"model": "m"}')
    head, data, _ = default_answer(send, api)
    assert isinstance(head, UpstreamHead)
    assert head.status == 200
    assert isinstance(data, UpstreamData)
    assert member in json.loads(data.data)
