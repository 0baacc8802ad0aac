"""Streams of chat completions in the OpenAI format, repaired."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ruleproxy.wire.repair_stream import describe_repairs
from ruleproxy.wire.repair_stream_openai import ChunkRepairer
from support.repairing import ASKED, repair_chunks, run_repair
from support.strict_events import Problem, check_chunk_stream

DONE = b"data: [DONE]\n\n"


def chunk(*choices: dict[str, Any], **changes: Any) -> dict[str, Any]:
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 3, "model": "m"}
    return head | {"choices": list(choices)} | changes


def choice(delta: Any, reason: str | None = None, index: int = 0) -> dict[str, Any]:
    return {"index": index, "delta": delta, "finish_reason": reason}


def call(index: int, arguments: Any, name: str | None = None) -> dict[str, Any]:
    head = {"id": f"call_{index}", "type": "function"} if name else {}
    return {"index": index, **head, "function": {**({"name": name} if name else {}), "arguments": arguments}}


def encode(chunks: list[Any]) -> bytes:
    return b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in chunks)


def without(value: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: each for name, each in value.items() if name not in names}


TEXT = [
    chunk(choice({"role": "assistant", "content": ""})),
    chunk(choice({"content": "hé"})),
    chunk(choice({"content": "llo"})),
    chunk(choice({}, "stop")),
    chunk(usage={"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}),
]
CALLS = [
    chunk(choice({"role": "assistant", "content": None, "tool_calls": [call(0, "", "Read")]})),
    chunk(choice({"tool_calls": [call(0, '{"path":')]})),
    chunk(choice({"tool_calls": [call(0, '"/a"}')]})),
    chunk(choice({"tool_calls": [call(1, "{}", "List")]})),
    chunk(choice({}, "tool_calls")),
]


def strip_calls(chunks: list[dict[str, Any]], *names: str) -> list[dict[str, Any]]:
    """The chunks with calls that lack these members."""
    text: list[dict[str, Any]] = json.loads(json.dumps(chunks))
    for each in text:
        for one in each["choices"]:
            one["delta"]["tool_calls"] = [without(it, *names) for it in one["delta"].get("tool_calls", [])]
    return text


def test_a_stream_that_conforms_stays_as_it_is() -> None:
    """Every byte, for text, calls and several choices."""
    second = [chunk(choice({"role": "assistant", "content": "b"}, None, 1)), chunk(choice({}, "length", 1))]
    for chunks in (TEXT, CALLS, [*TEXT, *second]):
        stream = encode(chunks) + DONE
        repairer = ChunkRepairer(ASKED)
        assert run_repair(repairer, [stream]) == stream
        assert describe_repairs(repairer.repairs.counts) == ""


FAULTS: dict[str, tuple[bytes, str]] = {
    "no [DONE]": (encode(TEXT), "no [DONE]"),
    "no blank line": (encode(TEXT) + DONE[:-2], "last event without its blank line"),
    "[DONE] twice": (encode(TEXT) + DONE + DONE, "event after the end"),
    "event lines": (encode(TEXT).replace(b"data:", b"event: message\ndata:") + DONE, "event line (5)"),
    "no ids": (encode([without(each, "id") for each in TEXT]) + DONE, "incomplete chunk (5)"),
    "no heads": (encode([{"choices": each["choices"]} for each in TEXT]) + DONE, "incomplete chunk (5)"),
    "another object": (encode([{**each, "object": "chat.completion"} for each in TEXT]) + DONE, "incomplete chunk"),
    "no role": (encode([chunk(choice({"content": ""})), *TEXT[1:]]) + DONE, "no role"),
    "no index": (encode([chunk(*(without(it, "index") for it in each["choices"])) for each in TEXT]) + DONE, "index"),
    "no deltas": (encode([*TEXT[:3], chunk(without(choice({}, "stop"), "delta"))]) + DONE, "choice without its delta"),
    "a message": (
        encode([chunk({"index": 0, "message": {"role": "assistant", "content": "héllo"}, "finish_reason": "stop"})]),
        "choice without its delta, no [DONE]",
    ),
    "a reason of no words": (
        encode([TEXT[0], chunk(choice({"content": "hé"}, "")), *TEXT[2:]]) + DONE,
        "finish reason",
    ),
    "a foreign reason": (encode([*TEXT[:3], chunk(choice({}, "end_turn"))]) + DONE, "finish reason"),
    "usage without choices": (encode([*TEXT[:4], without(TEXT[4], "choices")]) + DONE, "incomplete chunk"),
    "noise": (b"data: ok\n\ndata: {}\n\n" + encode(TEXT) + DONE, "data that is no chunk (2)"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_repaired(fault: str) -> None:
    """The client reads the answer that the stream told."""
    stream, said = FAULTS[fault]
    repairer = ChunkRepairer(ASKED)
    told = check_chunk_stream(run_repair(repairer, [stream]))
    assert told["choices"] == {0: {"content": "héllo", "calls": {}, "finish_reason": "stop"}}
    assert said in describe_repairs(repairer.repairs.counts)
    if fault != "a foreign reason":
        with pytest.raises((Problem, KeyError, ValueError)):
            check_chunk_stream(stream)


CALL_FAULTS: dict[str, bytes] = {
    "no indexes": encode(strip_calls(CALLS, "index")) + DONE,
    "no indexes, but ids": encode(
        [
            *strip_calls(CALLS[:1], "index"),
            *(
                chunk(choice({"tool_calls": [{"id": name, "function": {"arguments": text}}]}))
                for name, text in [("call_0", '{"path":'), ("call_1", "{}"), ("call_0", '"/a"}')]
            ),
            CALLS[-1],
        ]
    )
    + DONE,
    "no ids": encode(strip_calls(CALLS, "id")) + DONE,
    "no types": encode(strip_calls(CALLS, "type")) + DONE,
    "no reason": encode(CALLS[:-1]) + DONE,
    "a foreign reason": encode([*CALLS[:-1], chunk(choice({}, "tool_use"))]) + DONE,
    "arguments as objects": encode(
        [chunk(choice({"tool_calls": [call(0, {"path": "/a"}, "Read"), call(1, {}, "List")]})), CALLS[-1]]
    )
    + DONE,
}


@pytest.mark.parametrize("fault", CALL_FAULTS)
def test_calls_are_told_apart(fault: str) -> None:
    """By index, id or name, whichever there is."""
    told = check_chunk_stream(repair_chunks(CALL_FAULTS[fault]))["choices"][0]
    assert [json.loads(each["arguments"]) for each in told["calls"].values()] == [{"path": "/a"}, {}]
    assert told["calls"][0]["name"] == "Read"
    assert told["finish_reason"] == "tool_calls"


ERRORS = {
    "nothing": (b"", "ended without an event"),
    "[DONE] alone": (DONE, "before anything of an answer came"),
    "cut": (encode(TEXT[:3]), "ended before it said why"),
    "cut in an event": (encode(TEXT[:4])[:-20], "ended before it said why"),
    "one of two choices": (
        encode([*TEXT, chunk(choice({"role": "assistant"}, None, 1))]),
        "ended before it said why",
    ),
    "[DONE] within a call": (encode(CALLS[:2]) + DONE, "within a tool call"),
    "no JSON": (encode(TEXT[:2]) + b'data: {"choices\n\n' + DONE, "event 3 of the upstream's stream is not JSON"),
    "a choice of nothing": (encode([chunk(choice({})), {"choices": [3]}]), "a choice that is no object"),
    "too many choices": (encode([chunk(choice({}, None, at)) for at in range(200)]), "more than 128 choices"),
}


@pytest.mark.parametrize("fault", ERRORS)
def test_what_was_lost_is_an_error(fault: str) -> None:
    """No [DONE] behind it: clients take that for success."""
    stream, said = ERRORS[fault]
    repaired = repair_chunks(stream)
    assert said in check_chunk_stream(repaired)["error"]["message"]
    assert not repaired.endswith(DONE)


@pytest.mark.parametrize(
    "sent",
    [
        b'data: {"error":{"message":"busy","type":"server_error"}}\n\n',
        b'data: {"error":"busy"}\n\n',
        b"event: error\ndata: busy\n\n",
        b'event: error\ndata: {"message":"busy"}\n\n',
    ],
)
def test_an_error_of_the_upstreams_keeps_its_words(sent: bytes) -> None:
    """In the shape that clients read, and the last thing that they do."""
    repaired = repair_chunks(encode(TEXT[:2]) + sent + encode(TEXT[2:]) + DONE)
    assert check_chunk_stream(repaired)["error"]["message"] == "busy"


ANY_CALL: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "index": st.sampled_from([0, 1, None, -1]),
        "id": st.sampled_from(["a", "b", "", None]),
        "type": st.just("function"),
        "function": st.sampled_from([{"name": "n", "arguments": "{"}, {"arguments": "}"}, {"arguments": {}}, None, 3]),
    },
)
ANY_CHOICE = st.fixed_dictionaries(
    {},
    optional={
        "index": st.sampled_from([0, 1, None, "0"]),
        "delta": st.fixed_dictionaries(
            {},
            optional={
                "role": st.sampled_from(["assistant", None]),
                "content": st.sampled_from(["x", "", None]),
                "tool_calls": st.lists(ANY_CALL, max_size=2),
            },
        )
        | st.none(),
        "finish_reason": st.sampled_from(["stop", "tool_use", "", None, 3]),
    },
)
ANY_CHUNK = st.builds(lambda choices: chunk(*choices), st.lists(ANY_CHOICE, max_size=2)) | st.sampled_from(
    [*TEXT, *CALLS, {}, {"choices": 3}, {"choices": [], "usage": {}}, {"id": 3, "choices": [choice({})]}]
)
ANY_STREAM = st.lists(
    ANY_CHUNK.map(lambda each: encode([each])) | st.sampled_from([DONE, b": c\n\n", b"data: x\n\n", b"event: a\n\n"]),
    max_size=10,
).map(b"".join)


@settings(max_examples=400, deadline=None)
@given(ANY_STREAM, st.integers(0, 20), st.integers(1, 50))
def test_whatever_comes_the_client_reads_a_stream(stream: bytes, cut: int, size: int) -> None:
    """It conforms or ends with an error, however it is cut; repairing it again changes nothing."""
    stream = stream[: len(stream) - cut]
    repaired = repair_chunks(stream)
    check_chunk_stream(repaired)
    assert repair_chunks(repaired) == repaired
    assert repair_chunks(*(stream[at : at + size] for at in range(0, len(stream), size))) == repaired
