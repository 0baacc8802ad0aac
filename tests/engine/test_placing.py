"""Every verb does the same on a plain tree, on levels of text and after a glance."""

from __future__ import annotations

from functools import cache
from typing import Any
from unittest.mock import patch

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ruleproxy.engine import glancing
from ruleproxy.engine.events import Send, UpstreamEnd, UpstreamHead
from ruleproxy.engine.exchange import Exchange
from ruleproxy.engine.ruleset import Ruleset
from ruleproxy.messages import body as bodies
from ruleproxy.messages.json_bytes import Document
from support.bodies import encode_body, long_session_body
from support.running import declared, request, rules

RULES = """
rule "marks" on request then
  limit cache_control in request.body to 1, keep oldest
end
rule "rename what is held" on request then
  for message in request.body.messages do
    rename message.content to "parts"
    rewrite message.seen = count(message.parts)
    rename message.parts to "content"
  end
end
rule "replace elements" on request then
  for word in request.body.stop_sequences do
    if word == "x" then
      rewrite word = { text = "x" }
    end
    if word == "text" then
      add "one" before word
      rewrite word = "two"
      add word after word
    end
    if word == "y" then
      strip word
    end
  end
end
rule "replace blocks" on request then
  for message in request.body.messages do
    for block in message.content do
      if block.type == "other" then
        rewrite block = { type = "text", text = text(block.text ?? "none") }
        rewrite block.text = block.text .. "!"
      end
    end
  end
end
rule "neighbours" on request then
  strip message in request.body.messages where previous(message) ~= nil and previous(message).role == message.role
    and is_string(message.content)
end
rule "what stands elsewhere" on request then
  local most = count(request.body.tools)
  strip block in request.body.messages[*].content where count(request.body.messages[*].content[*]) > 6
  move block in request.body.messages[*].content where count(block.content) < most to first
end
rule "deep" on request then
  strip part in request.body[**].content where part.type == "thinking" and part.signature == nil
  strip request.body[**].citations
  strip part in request.body.messages[*].content[*].content where part.type == "text"
end
rule "merged" on request then
  merge request.body.messages by "role"
end
rule "kept" on request then
  keep { "user_id", "x" } in request.body.metadata
  keep { "x", "two" } in request.body.stop_sequences
end
rule "copies" on request then
  inject { copy = { number = request.body.temperature, all = request.body.metadata } } into request.body
  inject { copy = { twice = request.body.stop_sequences } } into request.body
  rewrite request.body.copy.all.user_id = "other"
end
rule "fails late" on request then
  strip request.body.model
  move block in request.body.messages[*].content where block.type == "text" to last
  limit cache_control in request.body to 0
  add { type = "text", text = "more" } to request.body.system first
  rename request.body.copy to "messages"
end
rule "only watched" on request, shadow then
  limit cache_control in request.body to 1, keep ends
  strip message in request.body.messages where blank(message.content)
  add "z" to request.body.stop_sequences
end
rule "numbers" on request
when request.body.temperature == 2.5 or request.body.temperature == 12345678901234567890123 then
  note "temperature " .. text(request.body.temperature)
  rewrite request.body.temperature = (request.body.max_tokens ?? 1) + 1
end
rule "by location" on request then
  strip request.body at "messages.0.content.0.text.cache_control"
  strip request.body at "tools.0.custom.name"
end
rule "from lists" on request then
  strip "x" from request.body.stop_sequences
  strip { type = "text" } from request.body.system
  strip "a" in request.headers["x-list"] where true
end
""".replace(
    '  strip "a" in request.headers["x-list"] where true\n',
    '  strip name in request.headers["x-list"] where name ~= "b"\n',
)

SCALAR = st.sampled_from([None, True, 0, 1, 2.5, "", "x", "y", "text"])
BLOCK = st.fixed_dictionaries(
    {"type": st.sampled_from(["text", "thinking", "tool_use", "tool_result", "other", 7])},
    optional={
        "text": SCALAR,
        "signature": SCALAR,
        "cache_control": st.sampled_from([{"type": "ephemeral"}, None]),
        "content": st.lists(st.sampled_from(["x", {"type": "text"}, {"type": "thinking"}]), max_size=2) | SCALAR,
        "citations": SCALAR,
    },
)
MANY = st.lists(BLOCK | SCALAR, max_size=4)
BODY = st.fixed_dictionaries(
    {
        "messages": st.lists(
            st.fixed_dictionaries(
                {"role": st.sampled_from(["user", "assistant"])}, optional={"content": MANY | SCALAR}
            ),
            max_size=4,
        )
        | SCALAR
    },
    optional={
        "model": SCALAR,
        "system": MANY | SCALAR,
        "tools": st.lists(st.fixed_dictionaries({"name": SCALAR}, optional={"cache_control": SCALAR}), max_size=2),
        "metadata": st.just({"user_id": "u", "x": 1, "z": [2.5]}) | SCALAR,
        "stop_sequences": st.lists(SCALAR, max_size=4) | SCALAR,
        "temperature": SCALAR,
        "max_tokens": SCALAR,
    },
)
ODD = st.sampled_from(
    [
        (b"2.5", b"1e400"),
        (b"2.5", b"12345678901234567890123"),
        (b"2.5", b"2.50"),
        (b'"y"', rb'"\ud83d"'),
        (b'"x"', rb'"\u0078"'),
        (b":", b": "),
        (b'{"role":', b'{"role":"user","role":'),
        (b'{"messages":', b'{"temperature":1,"temperature":2.5,"messages":'),
        (b'"type":"text"', b'"type":"text","type":"text"'),
    ]
)


@cache
def ruleset() -> Ruleset:
    return rules(RULES)


def run(chosen: Ruleset, data: bytes, *, detailed: bool) -> Any:
    """Everything that an exchange makes of a body, but for what only a detailed one tells."""
    exchange = Exchange(chosen, request(data, headers=[(b"x-list", b"a, b")]), declared(), detailed=detailed)
    action = exchange.begin()[0]
    assert isinstance(action, Send)
    outcomes = [
        (o.rule.name, o.verdict, o.decisions, o.failure, o.remarks if o.verdict != "matched" else ())
        for o in exchange.outcomes["request"]
    ]
    return outcomes, exchange.notes, action


@settings(max_examples=500, deadline=None)
@given(body=BODY, odd=st.lists(ODD, max_size=2), at_once=st.booleans(), small=st.sampled_from([0, 2_048]))
def test_verdicts_failures_and_bytes_are_the_same(
    body: Any, odd: list[tuple[bytes, bytes]], at_once: bool, small: int
) -> None:
    """On any spelling of any body, live traffic makes what a trace tells, whether it glanced first or not."""
    data = orjson.dumps(body)
    for common, spelled in odd:
        data = data.replace(common, spelled)
    with patch.object(glancing, "LARGE", 0 if at_once else 16_384), patch.object(bodies, "SMALL", small):
        if at_once:
            for _ in range(2):
                ruleset().candidates("request", "POST", "/v1/messages").worth.learn(1, opened=True)
        live = run(ruleset(), data, detailed=False)
    assert live == run(ruleset(), data, detailed=True)


@pytest.mark.parametrize("typical", [True, False])
def test_long_sessions_are_the_same(typical: bool) -> None:
    """The long sessions of the benchmarks too, again and again, while what is expected of a glance changes."""
    data = encode_body(long_session_body(typical=typical))
    expected = run(ruleset(), data, detailed=True)
    for _ in range(4):
        assert run(ruleset(), data, detailed=False) == expected


def test_a_body_that_had_to_be_opened_is_opened_at_once() -> None:
    """After two glances in vain the next large body is opened without one, until none has to be opened for a while."""
    chosen = rules('rule "marks" on request then\n  limit cache_control in request.body to 1\nend\n')
    worst, typical = (encode_body(long_session_body(typical=kind)) for kind in (False, True))
    unmarked = typical.replace(b'"cache_control"', b'"no_mark"')

    def is_opened(data: bytes) -> bool:
        with patch.object(bodies, "Document", wraps=Document) as opening:
            Exchange(chosen, request(data), declared()).begin()
        return opening.called

    assert [is_opened(data) for data in (unmarked, worst, worst, unmarked, unmarked, unmarked)] == [
        False,
        True,
        True,
        True,
        False,
        False,
    ]


def test_what_was_sent_is_given_up_and_read_again() -> None:
    """A body is closed when it has been sent; rules that look at it later read what went out."""
    chosen = rules(
        """
rule "no more than one mark" on request then
  limit cache_control in request.body to 1
  rewrite request.body.model = "m"
end
rule "once more" on response
when response.status == 400 and request.body.model == "m" then
  strip request.body.system
  retry
end
"""
    )
    exchange = Exchange(chosen, request(encode_body(long_session_body(typical=False))), declared())
    first = exchange.begin()[0]
    assert isinstance(first, Send)
    assert exchange.sides.edited.body.document is None
    exchange.receive(UpstreamHead(400, []))
    second = exchange.receive(UpstreamEnd())[0]
    assert isinstance(second, Send)
    sent, again = orjson.loads(first.body), orjson.loads(second.body)
    del sent["system"]
    assert again == sent
