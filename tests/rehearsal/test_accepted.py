"""Accepted outcomes: written with credentials masked, compared to the value, whatever the bodies are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ruleproxy.captures.capture import Capture, CapturedRequest, CapturedResponse
from ruleproxy.engine.loading import load_rules
from ruleproxy.engine.ruleset import Ruleset
from ruleproxy.rehearsal.accepted import compare_accepted
from ruleproxy.rehearsal.running import Run, run_capture

KEY = "sk-ant-api03-" + "A" * 32
RULES = """
rule "token" on request then
  rewrite request.headers["authorization"] = "Bearer made-up-token-of-nobody"
  inject default { max_tokens = 1 } into request.body
end
"""


@pytest.fixture
def ruleset(tmp_path: Path) -> Ruleset:
    (tmp_path / "a.rules").write_text(RULES)
    loaded = load_rules([tmp_path / "a.rules"], None).ruleset
    assert loaded is not None
    return loaded


def run(ruleset: Ruleset, body: bytes, answer: bytes = b"", path: bytes = b"/v1/messages?key=k-1") -> Run:
    json_type = [(b"content-type", b"application/json")]
    request = CapturedRequest("POST", path, [*json_type, (b"Content-Length", b"%d" % len(body))], body)
    return run_capture(Capture(request, response=CapturedResponse(200, json_type, answer)), ruleset, None)


def test_what_is_written_is_masked_and_is_the_same_again(ruleset: Ruleset, tmp_path: Path) -> None:
    """No credential of header, query or body is in the file, which the same outcome equals."""
    file = tmp_path / "deep/one.accepted.json"
    body = json.dumps({"model": "m", "note": KEY}).encode()
    outcome = run(ruleset, body, json.dumps({"echo": KEY}).encode())
    assert compare_accepted(outcome, file, accept=False).state == "none"
    assert compare_accepted(outcome, file, accept=True).state == "written"
    text = file.read_text()
    assert not any(secret in text for secret in (KEY, "made-up-token", "k-1"))
    written = json.loads(text)
    assert written["sent"]["url"].startswith("https://upstream.example/v1/messages?key=*masked-")
    assert written["sent"]["body"]["max_tokens"] == 1
    assert not any("ontent-" in line and "ength" in line for line in written["sent"]["headers"])
    assert compare_accepted(outcome, file, accept=False).state == "same"
    other = run(ruleset, body.replace(b'"m"', b'"n"'), json.dumps({"echo": KEY}).encode())
    differing = compare_accepted(other, file, accept=False)
    assert [(edit.where, edit.before, edit.after) for edit in differing.differences] == [
        ("/sent/body/model", '"m"', '"n"')
    ]


@pytest.mark.parametrize(
    ("body", "member"),
    [
        (b'{"n": 123456789012345678901234567890}', "body_text"),
        (b'{"half": "\\ud83d"}', "body_text"),
        (b"\xff\xfe no JSON", "body_text"),
        (b'{"a": 1e5, "b": [true, 1]}', "body"),
        (b"[" * 400 + b"]" * 400, "body_text"),
        (b"", None),
    ],
)
def test_bodies_of_every_kind(body: bytes, member: str | None, ruleset: Ruleset, tmp_path: Path) -> None:
    """What JSON writers refuse is kept as text; each is equal to itself and unlike another one."""
    file = tmp_path / "one.accepted.json"
    assert compare_accepted(run(ruleset, body, body), file, accept=True).state == "written"
    answer = json.loads(file.read_text())["answer"]
    assert [name for name in answer if name.startswith("body")] == ([] if member is None else [member])
    assert compare_accepted(run(ruleset, body, body), file, accept=False).state == "same"
    assert compare_accepted(run(ruleset, body, body + b" {"), file, accept=False).state == "differs"


def test_true_is_not_one_and_order_counts(ruleset: Ruleset, tmp_path: Path) -> None:
    """Values are compared as JSON has them, members in their order: it is what a provider's cache sees."""
    file = tmp_path / "one.accepted.json"
    compare_accepted(run(ruleset, b'{"a":true,"b":2}'), file, accept=True)
    (edit,) = compare_accepted(run(ruleset, b'{"a":1,"b":2}'), file, accept=False).differences
    assert (edit.where, edit.before, edit.after) == ("/sent/body/a", "true", "1")
    (edit,) = compare_accepted(run(ruleset, b'{"b":2,"a":true}'), file, accept=False).differences
    assert edit.after == "in another order"


def test_files_that_cannot_be_used_are_named(ruleset: Ruleset, tmp_path: Path) -> None:
    """A folder in their place, and what is no JSON; accepting mends the latter."""
    file = tmp_path / "one.accepted.json"
    file.write_bytes(b"\xff{")
    outcome = run(ruleset, b"{}")
    found = compare_accepted(outcome, file, accept=False)
    assert (found.state, found.problem.startswith("not JSON: ")) == ("unreadable", True)
    assert compare_accepted(outcome, file, accept=True).state == "written"
    file.unlink()
    file.mkdir()
    assert compare_accepted(outcome, file, accept=False).problem == "cannot be read: is a directory"
    (tmp_path / "file").write_text("")
    blocked = compare_accepted(outcome, tmp_path / "file/one.accepted.json", accept=True)
    assert blocked.state == "unreadable"
