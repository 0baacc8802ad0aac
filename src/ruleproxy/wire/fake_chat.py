"""Turn a whole chat completion into the chunks that a stream of it would have been.

The format is that of https://platform.openai.com/docs/api-reference/chat-streaming. The SDKs (openai 3.52 and 2.54 for
Python) take what a chunk's delta has and append it: a role first, text in pieces, a tool call's name once and its
arguments in pieces. Counts come in a chunk of their own without choices, and only where they were asked for: clients
that did not ask read `choices[0]` of every chunk.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from ruleproxy.wire.events import StreamEvent
from ruleproxy.wire.fake_stream import DELTA_SIZE
from ruleproxy.wire.json_levels import (
    BadJsonError,
    cut_string,
    open_list,
    open_object,
    read_string,
    write_object,
    write_string,
)
from ruleproxy.wire.sse import write_in_one_line
from ruleproxy.wire.whole import NotAMessageError, read_whole

DONE = StreamEvent("", b"[DONE]")
"""The end of a stream."""

_TOLD_ONCE = ("choices", "usage", "object")


def fake_chat(body: bytes, *, model: str = "", counts: bool = False, delta_size: int = DELTA_SIZE) -> list[StreamEvent]:
    """The events of a chat completion given as the JSON body of a non-streaming answer, `[DONE]` at their end.

    `counts`: the client asked for usage (`stream_options.include_usage`). `model` stands in where the completion names
    none, and a missing id is made from the body. Raises NotAMessageError.
    """
    fields = read_whole(body, "choices")
    choices = _open_choices(fields)
    base = {name: value for name, value in fields.items() if name not in _TOLD_ONCE}
    defaults = {
        "id": b'"chatcmpl-' + hashlib.sha256(body).hexdigest()[:24].encode() + b'"',
        "model": write_string(model),
    }
    base |= {name: value for name, value in defaults.items() if not read_string(base.get(name))}
    base = {"id": base.pop("id"), "object": b'"chat.completion.chunk"', "created": base.pop("created", b"0"), **base}
    usage = {"usage": b"null"} if counts else {}
    events = [
        _event(base | {"choices": b"[" + write_object(chunk) + b"]"} | usage)
        for position, choice in enumerate(choices)
        for chunk in _chunks(choice, position, delta_size)
    ]
    if counts:
        events.append(_event(base | {"choices": b"[]", "usage": fields.get("usage", b"null")}))
    return [*events, DONE]


def _event(data: dict[str, bytes]) -> StreamEvent:
    return StreamEvent("", write_in_one_line(write_object(data)))


def _open_choices(fields: dict[str, bytes]) -> list[dict[str, bytes]]:
    try:
        choices = [open_object(choice) for choice in open_list(fields.get("choices", b"null"))]
    except BadJsonError as error:
        raise NotAMessageError("other_shape", "the body has no list of choices") from error
    if not choices:
        # Its stream would be an end alone, which a client takes for an answer that says nothing.
        raise NotAMessageError("other_shape", "the list of choices is empty")
    return choices


def _chunks(choice: dict[str, bytes], position: int, size: int) -> Iterator[dict[str, bytes]]:
    """The chunks of one choice: who speaks, what it says, its calls, why it stopped."""
    try:
        message = open_object(choice.get("message", b"null"))
    except BadJsonError as error:
        raise NotAMessageError("other_shape", f"choices.{position} has no message") from error
    index = choice.get("index", b"%d" % position)

    silent = {"logprobs": b"null"} if "logprobs" in choice else {}

    def chunk(delta: dict[str, bytes], reason: bytes = b"null", **beside: bytes) -> dict[str, bytes]:
        return {"index": index, "delta": write_object(delta), **silent, **beside, "finish_reason": reason}

    texts = {name: value for name, value in message.items() if value.startswith(b'"') and name != "role"}
    rest = {name: value for name, value in message.items() if name not in texts and name not in ("role", "tool_calls")}
    opening = {"role": message.get("role", b'"assistant"')} | rest | dict.fromkeys(texts, b'""')
    yield chunk(opening)
    for name, text in texts.items():
        for piece in cut_string(text, size):
            if piece != b'""':
                yield chunk({name: piece})
    for delta in _call_deltas(message, position, size):
        yield chunk({"tool_calls": b"[" + write_object(delta) + b"]"})
    beside = {"logprobs": choice["logprobs"]} if "logprobs" in choice else {}
    yield chunk({}, choice.get("finish_reason", b"null"), **beside)


def _call_deltas(message: dict[str, bytes], position: int, size: int) -> Iterator[dict[str, bytes]]:
    """Each call with its id and name and no arguments yet, then those in pieces."""
    if message.get("tool_calls", b"null") == b"null":
        return
    try:
        calls = [open_object(call) for call in open_list(message["tool_calls"])]
        functions = [open_object(call["function"]) if "function" in call else None for call in calls]
    except BadJsonError as error:
        raise NotAMessageError("other_shape", f"choices.{position} has tool_calls that are no list of calls") from error
    for number, (call, function) in enumerate(zip(calls, functions, strict=True)):
        index = {"index": b"%d" % number}
        if function is None:
            yield index | call
            continue
        yield index | call | {"function": write_object(function | {"arguments": b'""'})}
        arguments = function.get("arguments", b'""')
        # A string by the format; some gateways send the object itself.
        text = arguments if arguments.startswith(b'"') else write_string(arguments.decode())
        for piece in cut_string(text, size):
            if piece != b'""':
                yield index | {"function": write_object({"arguments": piece})}
