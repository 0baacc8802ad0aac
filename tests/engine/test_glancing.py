"""A glance at the body says nothing else than running the rules does."""

from __future__ import annotations

from functools import cache
from typing import Any
from unittest.mock import patch

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ruleproxy.engine.events import Send
from ruleproxy.engine.exchange import Exchange
from ruleproxy.engine.ruleset import Ruleset
from ruleproxy.messages import body
from ruleproxy.messages.json_bytes import Document
from ruleproxy.messages.message import Request
from support.bodies import encode_body, long_session_body
from support.running import declared, request, rules

REFERENCE = """
rule "audit key" on request then
  inject { prompt_text = "audit" } into request.body
end
rule "defaults" on request then
  inject default { max_tokens = 8, metadata = { user_id = "u" } } into request.body
end
rule "marks" on request then
  limit cache_control in request.body to 1, keep newest
end
rule "order" on request then
  move block in request.body.messages[*].content where block.type == "tool_use" to last
  move block in request.body.messages[*].content where block.type == "tool_result" to first
end
rule "empty thinking" on request then
  strip block in request.body.messages[*].content
    where block.type == "thinking" and blank(block.thinking) and blank(block.signature)
  strip message in request.body.messages where blank(message.content)
end
rule "system turns" on request
when "system" in request.body.messages[*].role then
  strip message in request.body.messages where message.role == "system"
end
rule "blank system" on request
when blank(request.body.system) and request.body.system ~= nil then
  strip request.body.system
end
rule "by model" on request
when request.model == "m" and not (request.wants_stream) then
  strip "x" from request.body.stop_sequences
end
rule "loops" on request then
  for message in request.body.messages do
    if message.role == "assistant" and count(message.content) > 1 then
      strip block in message.content where block.type == "text" and blank(block.text)
    end
  end
end
rule "later" on request
when request.body.prompt_text == "audit" then
  strip request.body.context_management
end
"""

SCALAR = st.sampled_from([None, True, False, 0, 1, 2.5, "", " ", "x", "text", "m"])
MARK = st.sampled_from([{"type": "ephemeral"}, None, "odd"])
KIND = st.sampled_from(["text", "thinking", "tool_use", "tool_result", "other", 7, None])
BLOCK = st.fixed_dictionaries(
    {"type": KIND},
    optional={"text": SCALAR, "thinking": SCALAR, "signature": SCALAR, "cache_control": MARK, "content": SCALAR},
)
CONTENT = st.one_of(SCALAR, st.lists(st.one_of(BLOCK, BLOCK, SCALAR), max_size=4), BLOCK)
MESSAGE = st.fixed_dictionaries(
    {}, optional={"role": st.sampled_from(["user", "assistant", "system", 3]), "content": CONTENT}
)
MESSAGES = st.one_of(st.lists(st.one_of(MESSAGE, MESSAGE, SCALAR), max_size=4), SCALAR, MESSAGE)
BODY = st.fixed_dictionaries(
    {},
    optional={
        "model": SCALAR,
        "messages": MESSAGES,
        "system": CONTENT,
        "tools": st.one_of(st.lists(BLOCK, max_size=2), SCALAR),
        "max_tokens": SCALAR,
        "metadata": st.one_of(SCALAR, st.just({"user_id": "v"})),
        "stream": SCALAR,
        "prompt_text": SCALAR,
        "stop_sequences": st.one_of(SCALAR, st.just(["x", "y"])),
        "context_management": SCALAR,
    },
)


@cache
def reference() -> Ruleset:
    return rules(REFERENCE)


def verdicts(ruleset: Ruleset, sent: Request, *, detailed: bool) -> tuple[list[tuple[str, str]], bytes]:
    exchange = Exchange(ruleset, sent, declared(), detailed=detailed)
    action = exchange.begin()[0]
    assert isinstance(action, Send)
    return [(outcome.rule.name, outcome.verdict) for outcome in exchange.outcomes["request"]], action.body


@settings(max_examples=400, deadline=None)
@given(body=BODY, spaced=st.booleans())
def test_a_glance_gives_the_same_verdicts_and_bytes(body: Any, spaced: bool) -> None:
    """Live traffic, which glances, and a trace, which runs everything, agree on every rule and every byte."""
    data = orjson.dumps(body, option=orjson.OPT_INDENT_2 if spaced else 0)
    live = verdicts(reference(), request(data), detailed=False)
    assert live == verdicts(reference(), request(data), detailed=True)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b'{"messages":[',
        b"<html>",
        b'{"messages":[],"a":"\xff"}',
        b'{"messages":[],"a":"\\ud83d"}',
        b'{"messages":[],"messages":[{"role":"system"}]}',
        b'{"\\u006dessages":[{"role":"system","content":"x"}]}',
        b'{"a":1e400,"messages":[{"role":"system","content":"x"}]}',
        b'{"messages":' + b"[" * 2000 + b"]" * 2000 + b"}",
    ],
)
def test_odd_bodies_get_the_same_either_way(data: bytes) -> None:
    """What a glance cannot read is left to the rules."""
    live = verdicts(reference(), request(data), detailed=False)
    assert live == verdicts(reference(), request(data), detailed=True)


def test_a_well_behaved_body_is_not_opened() -> None:
    """The typical long session is judged by a glance: one key goes to its end, and no document is made."""
    data = encode_body(long_session_body(typical=True))
    exchange = Exchange(rules(REFERENCE.split('rule "defaults"')[0]), request(data), declared())
    with patch.object(body, "Document", wraps=Document) as opening:
        action = exchange.begin()[0]
    assert isinstance(action, Send)
    assert action.body == data[:-1] + b',"prompt_text":"audit"}'
    assert not opening.called


@pytest.mark.parametrize("typical", [True, False])
def test_the_shipped_pack_agrees_with_itself(typical: bool) -> None:
    """On long sessions the pack's rules have the same verdicts with and without a glance."""
    pack = rules('use "ruleproxy/strict-apim" with { url = "https://upstream.example/x", inject = { a = 1 } }\n')
    data = encode_body(long_session_body(typical=typical))
    assert verdicts(pack, request(data), detailed=False) == verdicts(pack, request(data), detailed=True)
