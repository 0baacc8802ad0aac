"""Rules on bodies with very many elements or members: what a client chooses must not hold up everybody else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ruleproxy.engine.events import Send
from ruleproxy.engine.exchange import Exchange
from ruleproxy.engine.loading import load_rules
from ruleproxy.messages.message import Headers, Request
from ruleproxy.messages.upstreams import Upstream

UPSTREAMS = (Upstream.from_url("default", "http://127.0.0.1:9"),)
MANY = 20_000


def run(folder: Path, statements: str, body: bytes, headers: Headers | None = None) -> tuple[bytes, Exchange]:
    """What goes out."""
    file = folder / "1.rules"
    file.write_text(f'edition 1\n\nrule "a" on request then\n{statements}\nend\n')
    loaded = load_rules([file], UPSTREAMS)
    assert loaded.ruleset is not None, loaded.diagnostics
    exchange = Exchange(loaded.ruleset, Request("POST", b"/v1/messages", b"", headers or [], body), UPSTREAMS)
    action = exchange.begin()[0]
    assert isinstance(action, Send)
    return action.body, exchange


def write(body: object, *, spaced: bool) -> bytes:
    """A body as most clients write it, or one that is read level by level."""
    return json.dumps(body, separators=(", ", ": ") if spaced else (",", ":")).encode()


@pytest.mark.parametrize("spaced", [False, True])
def test_neighbours_are_merged_in_one_go(tmp_path: Path, *, spaced: bool) -> None:
    """Twenty thousand turns of one role become one, in order."""
    messages = [{"role": "user", "content": f"{number}"} for number in range(MANY)]
    messages.append({"role": "assistant", "content": "yes"})
    body, _ = run(tmp_path, '  merge request.body.messages by "role"', write({"messages": messages}, spaced=spaced))
    first, last = json.loads(body)["messages"]
    assert [block["text"] for block in first["content"]] == [f"{number}" for number in range(MANY)]
    assert last == messages[-1]


@pytest.mark.parametrize("spaced", [False, True])
def test_all_but_a_few_members_go_in_one_go(tmp_path: Path, *, spaced: bool) -> None:
    """A white list of members, and a body that has eighty thousand others."""
    members = {"model": "m"} | {f"k{number}": number for number in range(4 * MANY)} | {"max_tokens": 1}
    text = write(members, spaced=spaced)
    body, _ = run(tmp_path, '  keep { "model", "max_tokens" } in request.body', text)
    assert json.loads(body) == {"model": "m", "max_tokens": 1}


@pytest.mark.parametrize("spaced", [False, True])
def test_elements_are_rewritten_where_they_are(tmp_path: Path, *, spaced: bool) -> None:
    """Each of a thousand elements, those behind it left as they are until it is their turn."""
    statements = "  for message in request.body.messages do\n    rewrite message = message.content\n  end"
    messages = [{"role": "user", "content": f"{number}"} for number in range(1_000)]
    body, _ = run(tmp_path, statements, write({"messages": messages}, spaced=spaced))
    assert json.loads(body)["messages"] == [f"{number}" for number in range(1_000)]


@pytest.mark.parametrize("spaced", [False, True])
@pytest.mark.parametrize("statement", ["strip message", 'add { role = "system", content = "x" } before message'])
def test_a_loop_that_moves_very_many_elements_is_undone(tmp_path: Path, statement: str, *, spaced: bool) -> None:
    """Each edit of a long list counts for more steps: past the budget nothing of the rule is left."""
    statements = f"  for message in request.body.messages do\n    {statement}\n  end"
    text = write({"messages": [{"role": "user", "content": "hi"}] * MANY}, spaced=spaced)
    body, exchange = run(tmp_path, statements, text)
    assert body == text
    assert exchange.outcomes["request"][0].failure is not None
    assert "steps" in exchange.outcomes["request"][0].failure


@pytest.mark.parametrize("spaced", [False, True])
def test_a_loop_that_strips_what_it_sees(tmp_path: Path, *, spaced: bool) -> None:
    """Every second of two thousand elements goes, and neighbours are told by where they are by then."""
    statements = (
        "  for message in request.body.messages do\n"
        "    if previous(message) ~= nil and previous(message).role == message.role then\n"
        "      strip message\n"
        "    end\n"
        "  end"
    )
    roles = ["user", "user", "assistant", "assistant"] * 500
    messages = [{"role": role, "content": f"{number}"} for number, role in enumerate(roles)]
    body, _ = run(tmp_path, statements, write({"messages": messages}, spaced=spaced))
    assert json.loads(body)["messages"] == messages[::2]


def test_lists_in_lists_fail_by_name(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A body that is JSON and nested deeper than rules can look: the rule fails and says so, without a traceback."""
    text = b'{"messages":' + b"[" * 700 + b"]" * 700 + b"}"
    body, exchange = run(tmp_path, "  strip message in request.body.messages where blank(message.content)", text)
    assert body == text
    assert "nested too deeply" in str(exchange.outcomes["request"][0].failure)
    assert not caplog.records


def test_a_header_of_very_many_lines_is_rewritten(tmp_path: Path) -> None:
    """Each line is looked at once."""
    lines = [(b"x-a", b"1")] * 60_000
    _, exchange = run(tmp_path, '  rewrite request.headers["x-a"] = "2"', b"{}", lines)
    assert [line for line in exchange.sides.ruled_headers if line[0] == b"x-a"] == [(b"x-a", b"2")]
