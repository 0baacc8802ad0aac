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


def run(
    folder: Path, statements: str, body: bytes, headers: Headers | None = None, query: bytes = b""
) -> tuple[bytes, Exchange]:
    """What goes out."""
    file = folder / "1.rules"
    file.write_text(f'edition 1\n\nrule "a" on request then\n{statements}\nend\n')
    loaded = load_rules([file], UPSTREAMS)
    assert loaded.ruleset is not None, loaded.diagnostics
    exchange = Exchange(loaded.ruleset, Request("POST", b"/v1/messages", query, headers or [], body), UPSTREAMS)
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


@pytest.mark.parametrize("spaced", [False, True])
@pytest.mark.parametrize(
    "statements",
    [
        "for x in request.body.xs do\nif x in request.body.xs then\nrewrite request.body.y = x\nend\nend",
        "for x in request.body.xs do\nif request.body.xs == original.request.body.xs then\nnote text(x)\nend\nend",
        "for x in request.body.xs do\nrewrite request.body.y = count(request.body[**])\nend",
        "for x in request.body.xs do\nrewrite request.body.y = count(request.body.xs[*])\nend",
        "for x in request.body.xs do\nrewrite request.body.y = json_text(request.body)\nend",
        "for x in request.body.xs do\nrewrite request.body.y = { a = request.body.y, b = request.body.y }\nend",
        "for x in request.body.xs do\nrewrite request.body.y = (text(request.body.y)) .. text(request.body.y)\nend",
        "for x in request.body.xs do\nadd x to request.body.ys\nend",
        'for x in request.body.xs do\nadd text(x) to request.headers["x-a"]\nend',
        "for x in request.body.xs do\nnote text(x)\nend",
        "strip x in request.body.xs where x in request.body.xs",
        'strip x in request.body.xs where contains(json_text(request.body.xs), "z")',
        'for x in request.body.xs do\nstrip request.body at "os.0.b"\nend',
    ],
)
def test_work_that_grows_with_the_square_of_a_body_ends_the_rule(
    tmp_path: Path, statements: str, *, spaced: bool
) -> None:
    """What each of many elements makes of all of them is counted; the body goes on as it came."""
    texts = [f"s{number}" for number in range(MANY)]
    body = write({"xs": texts, "y": texts, "os": [{"a": 1}] * MANY}, spaced=spaced)
    out, exchange = run(tmp_path, statements, body)
    assert out == body
    [outcome] = exchange.sides.passes[0].outcomes
    assert outcome.failure is not None
    assert "more than 200000 steps over one message" in outcome.failure or "longer than" in outcome.failure


def test_a_location_that_leads_everywhere_ends_the_rule(tmp_path: Path) -> None:
    """A member that is named like its object's tag may be either, at each of many levels."""
    body: object = {}
    for _ in range(40):
        body = {"type": "a", "a": body}
    sent = json.dumps({"deep": body, "at": "deep" + ".a" * 80 + ".b"}).encode()
    out, exchange = run(tmp_path, '  strip request.body at (request.body.at ?? "")', sent)
    assert out == sent
    assert "leads to more than 100000 places" in str(exchange.sides.passes[0].outcomes[0].failure)


def test_a_text_does_not_outgrow_its_bound(tmp_path: Path) -> None:
    """Half a megabyte in the place of each of its characters, or twice as long as it is again and again."""
    sent = write({"s": "a" * 500_000}, spaced=False)
    out, exchange = run(
        tmp_path, '  rewrite request.body.y = replace(request.body.s ?? "", "a", request.body.s ?? "")', sent
    )
    assert out == sent
    assert "would replace more than 134 matches" in str(exchange.sides.passes[0].outcomes[0].failure)
    doubled = "\n".join(
        ['  local t0 = request.body.s ?? ""', *(f"  local t{n} = t{n - 1} .. t{n - 1}" for n in range(1, 30))]
    )
    out, exchange = run(tmp_path, f"{doubled}\n  rewrite request.body.y = t29", sent)
    assert out == sent
    assert "would make a text of more than 67108864 characters" in str(exchange.sides.passes[0].outcomes[0].failure)


def test_headers_and_members_of_the_query_are_read_at_once(tmp_path: Path) -> None:
    """Tens of thousands of names."""
    headers = [(b"x-%d" % number, b"1") for number in range(20_000)]
    statements = '  if "x-7" in request.headers and "a" in request.query then\n    rewrite request.body.y = 1\n  end'
    out, _ = run(tmp_path, statements, b"{}", headers, b"&".join(b"m%d=%%20" % n for n in range(20_000)) + b"&a=")
    assert out == b'{"y":1}'
