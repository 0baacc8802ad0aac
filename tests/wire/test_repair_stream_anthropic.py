"""Streams of Anthropic messages, repaired: what each fault becomes, and what is no repair but an error."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest

from ruleproxy.wire.events import StreamEvent
from ruleproxy.wire.repair_stream import Asked, describe_repairs
from ruleproxy.wire.repair_stream_anthropic import MessageRepairer
from support.repairing import (
    ASKED,
    GOOD,
    PING,
    STOP,
    TEXT,
    THINKING,
    TOOL,
    block_start,
    block_stop,
    delta,
    encode,
    event,
    message_delta,
    message_of,
    message_start,
    repair_messages,
    run_repair,
    text_delta,
    text_start,
    tool_start,
)
from support.strict_events import Problem, check_messages_stream


def error_of(stream: bytes) -> tuple[str, str]:
    told = check_messages_stream(stream)
    assert told["type"] == "error", told
    return told["error"]["type"], told["error"]["message"]


def repairs_of(events: list[dict[str, Any]]) -> str:
    repairer = MessageRepairer(ASKED)
    for each in events:
        repairer.take(StreamEvent(each["type"], json.dumps(each).encode(), event(each)))
    repairer.finish()
    return describe_repairs(repairer.repairs.counts)


def test_a_stream_that_conforms_stays_as_it_is() -> None:
    """Every byte, and nothing to say of it."""
    for events in (GOOD, [message_start(), *THINKING, message_delta(), STOP], [message_start(), message_delta(), STOP]):
        assert repair_messages(encode(events)) == encode(events)
        assert repairs_of(events) == ""


@pytest.mark.parametrize(
    ("spelling", "was"),
    [(b"data:", b"data: "), (b"\r\n", b"\n"), (b"\r", b"\n"), (b": hi\n\nevent: content", b"event: content")],
)
def test_spellings_that_the_standard_allows_stay(spelling: bytes, was: bytes) -> None:
    """Without a space, with other line ends, with comments between."""
    stream = encode(GOOD).replace(was, spelling)
    assert repair_messages(stream) == stream


def test_events_of_types_that_nobody_knows_yet_stay() -> None:
    """Formats grow: an event, a block and a delta of a new type pass where they stand."""
    events = [
        message_start(),
        {"type": "x_corp_usage", "cents": 3},
        block_start(0, {"type": "compaction", "content": None}),
        {"type": "content_block_delta", "index": 0, "delta": {"type": "compaction_delta", "content": "x"}},
        block_stop(0),
        message_delta("model_context_window_exceeded"),
        STOP,
    ]
    assert repair_messages(encode(events)) == encode(events)


def test_half_a_character_in_an_event_stays() -> None:
    """Half a surrogate pair is JSON, and its other half comes with the next event."""
    halves = [b'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"\\ud83d"}}']
    halves += [halves[0].replace(b"ud83d", b"ude00")]
    deltas = b"".join(event(half, "content_block_delta") for half in halves)
    stream = encode([message_start(), text_start(0)]) + deltas + encode([block_stop(0), message_delta(), STOP])
    assert repair_messages(stream) == stream
    renumbered = repair_messages(stream.replace(b'"index": 0', b'"index":4').replace(b'"index":0', b'"index":4'))
    assert b"\\ud83d" in renumbered
    (block,) = message_of(renumbered)["content"]
    assert block["text"].encode("utf-16", "surrogatepass").decode("utf-16") == "\U0001f600"


FAULTS: dict[str, tuple[bytes, str]] = {
    "no event lines": (encode(GOOD).replace(b"event: ", b"id: "), "no event line (12)"),
    "event: message": (b"".join(event(each, "message") for each in GOOD), "event line of another type (12)"),
    "no types": (
        b"".join(event({k: v for k, v in each.items() if k != "type"}, each["type"]) for each in GOOD),
        "data without its type (12)",
    ),
    "[DONE]": (encode(GOOD[:-1]) + b"data: [DONE]\n\n" + encode(GOOD[-1:]) + b"data: [DONE]\n\n", "[DONE]"),
    "noise": (b"data: \n\ndata: null\n\ndata: ok\n\nevent: x\n\n" + encode(GOOD) + b"data: bye\n\n", "no event"),
    "no message_start": (encode(GOOD[1:]), "no message_start"),
    "a second message_start": (encode([GOOD[0], *GOOD]), "second message_start"),
    "a message_start without usage": (encode([message_start(usage=None), *GOOD[1:]]), "incomplete message_start"),
    "a message_start of an id": (encode([{"type": "message_start", "message": {"id": "msg_1"}}, *GOOD[1:]]), "incompl"),
    "a message_start of nothing": (encode([{"type": "message_start"}, *GOOD[1:]]), "incomplete message_start"),
    "no content_block_start": (encode([e for e in GOOD if e != text_start(0)]), "no content_block_start"),
    "no content_block_stop": (
        encode([e for e in GOOD if e["type"] != "content_block_stop"]),
        "no content_block_stop (2)",
    ),
    "text in its start": (encode([GOOD[0], text_start(0, "hé"), *GOOD[4:]]), "content in a content_block_start"),
    "input in its start": (
        encode([*GOOD[:6], tool_start(1, value={"path": "/a"}), *GOOD[9:]]),
        "content in a content_block_start",
    ),
    "input in its start and in deltas": (
        encode([*GOOD[:6], tool_start(1, value={"path": "/a"}), *GOOD[7:]]),
        "content in a content_block_start",
    ),
    "input as text": (encode([*GOOD[:6], tool_start(1, value='{"path": "/a"}'), *GOOD[9:]]), "content in a content_b"),
    "an index used twice": (encode([{**e, "index": 0} if "index" in e else e for e in GOOD]), "renumbered block"),
    "gapped indexes": (encode([{**e, "index": e["index"] * 7 + 2} if "index" in e else e for e in GOOD]), "renumbered"),
    "no indexes": (encode([{k: v for k, v in e.items() if k != "index"} for e in GOOD]), "renumbered block (2)"),
    "deltas of index 0": (
        encode([{**e, "index": 0} if e["type"] == "content_block_delta" else e for e in GOOD]),
        "delta of another index (2)",
    ),
    "stops of index 0": (
        encode([{**e, "index": 0} if e["type"] == "content_block_stop" else e for e in GOOD]),
        "stray content_block_stop, no content_block_stop",
    ),
    "a block of another type": (
        encode([GOOD[0], block_start(0, {"type": "thinking", "thinking": ""}), *GOOD[3:]]),
        "no content_block_start",
    ),
    "no message_delta": (encode([*GOOD[:-2], STOP]), "no message_delta"),
    "a stop reason of null": (encode([*GOOD[:-2], message_delta(None), STOP]), "stop reason"),
    "a stop reason of another format": (encode([*GOOD[:-2], message_delta("tool_calls"), STOP]), "stop reason"),
    "a stop reason of Gemini": (encode([*GOOD[:-2], message_delta("STOP"), STOP]), "stop reason"),
    "a stop reason taken back": (encode([*GOOD[:-1], message_delta(None), STOP]), "stop reason"),
    "a running count between": (encode([*GOOD[:4], message_delta(None), *GOOD[4:]]), "message_delta before the end"),
    "no usage in message_delta": (
        encode([*GOOD[:-2], {**message_delta("tool_use"), "usage": None}, STOP]),
        "usage of message_delta",
    ),
    "no message_stop": (encode(GOOD[:-1]), "no message_stop"),
    "no blank line at the end": (encode(GOOD)[:-2], "last event without its blank line"),
    "half a message_stop": (encode(GOOD)[:-7], "half an event at the end, no message_stop"),
    "events after the end": (encode([*GOOD, PING, *TEXT]), "event after the end (5)"),
    "a message_stop without data": (encode(GOOD[:-1]) + b"event: message_stop\n\n", "event without data"),
    "a ping of another kind": (b"event: ping\ndata: ok\n\n" + encode(GOOD) + b"event: ping\n\n", "event without data"),
    "an unknown event first": (event({"type": "x_hello"}) + encode(GOOD), ""),
    "stray stops": (encode([GOOD[0], block_stop(0), *GOOD[1:10], block_stop(0), *GOOD[10:]]), "stray content_block_st"),
    "empty deltas": (encode([GOOD[0], text_delta(0, ""), {**TEXT[1], "delta": {}}, *GOOD[1:]]), "empty delta"),
    "a delta of null": (encode([*GOOD[:3], text_delta(0, None), *GOOD[3:]]), "delta without content"),  # type: ignore[arg-type]
    "a delta without its type": (
        encode([{**e, "delta": {"text": e["delta"]["text"]}} if e in TEXT[1:3] else e for e in GOOD]),
        "delta without its type (2)",
    ),
    "a block without its type": (encode([*GOOD[:2], block_start(0, {"text": ""}), *GOOD[3:]]), "incomplete content_b"),
    "a block of nothing": (
        encode([*GOOD[:2], {"type": "content_block_start", "index": 0}, *GOOD[3:]]),
        "unreadable content_block_start, no content_block_start",
    ),
    "a byte-order mark": (b"\xef\xbb\xbf" + encode(GOOD), "byte-order mark"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_repaired(fault: str) -> None:
    """Whatever was done to the stream, the client reads the message that it told, and the trace says what was done."""
    stream, said = FAULTS[fault]
    repaired = repair_messages(stream)
    told = message_of(repaired)
    content = told["content"]
    assert [block.get("text", block.get("input")) for block in content] == ["héllo", {"path": "/a"}]
    assert (content[1]["type"], content[1]["name"]) == ("tool_use", "Read")
    assert told["stop_reason"] == "tool_use"
    if "second" not in fault and "usage" not in fault and "message_start" not in fault:
        assert told["id"] == "msg_1"
    repairer = MessageRepairer(ASKED)
    run_repair(repairer, [stream])
    assert said in describe_repairs(repairer.repairs.counts)
    if said and not fault.startswith("a stop reason of"):  # a reason of any name is one, and null is borne
        with pytest.raises(Problem):
            check_messages_stream(stream)


def test_a_start_that_carries_input_gives_way_to_deltas() -> None:
    """As the SDKs have it: what deltas tell is the whole input."""
    stream = [*GOOD[:6], tool_start(1, value={"path": "/b"}), *GOOD[7:]]
    assert message_of(repair_messages(encode(stream)))["content"][1]["input"] == {"path": "/a"}


def test_two_calls_at_once_are_told_one_after_the_other() -> None:
    """A call cannot be told in two pieces: what comes between waits, in its order."""
    other = [tool_start(2, "Write"), delta(2, "input_json_delta", '{"n":'), delta(2, "input_json_delta", "1}")]
    woven = [TOOL[0], other[0], TOOL[1], other[1], text_start(3), text_delta(3, "so"), TOOL[2], other[2]]
    for stops in ([block_stop(1), block_stop(2), block_stop(3)], []):
        told = message_of(repair_messages(encode([message_start(), *woven, *stops, message_delta("tool_use"), STOP])))
        assert [block.get("input", block.get("text")) for block in told["content"]] == [{"path": "/a"}, {"n": 1}, "so"]


def test_reasoning_and_text_that_are_mixed_become_blocks_of_their_own() -> None:
    """One index for both: each change of type is a block, and no empty one is left behind."""
    kinds = ["thinking_delta", "thinking_delta", "text_delta", "thinking_delta", "text_delta", "text_delta"]
    deltas = [delta(0, kind, str(at)) for at, kind in enumerate(kinds)]
    stream = [message_start(), text_start(0), *deltas, block_stop(0), message_delta(), STOP]
    told = message_of(repair_messages(encode(stream)))
    found = [(block["type"], block[block["type"]]) for block in told["content"]]
    assert found == [("thinking", "01"), ("text", "2"), ("thinking", "3"), ("text", "45")]


def test_a_message_that_was_there_from_the_start() -> None:
    """Content in message_start is told as blocks, unless blocks follow."""
    content = [{"type": "text", "text": "hi"}, {"type": "tool_use", "id": "t", "name": "n", "input": {"a": 1e5}}]
    whole = message_start(content=content, stop_reason="tool_use")
    assert message_of(repair_messages(encode([whole, message_delta("tool_use"), STOP])))["content"] == content
    assert message_of(repair_messages(encode([whole, STOP])))["stop_reason"] == "tool_use"
    told = message_of(repair_messages(encode([whole, *GOOD[1:]])))
    assert told["content"][0]["text"] == "héllo"


@pytest.mark.parametrize(
    ("tokens", "events", "reason"),
    [
        (64, TEXT, "max_tokens"),
        (63, TEXT, None),
        (63, [*TEXT, *TOOL], "tool_use"),
        (64, [*TEXT, *TOOL], "max_tokens"),
        (0, [], None),
    ],
)
def test_a_reason_is_told_only_where_something_says_it(tokens: int, events: list[Any], reason: str | None) -> None:
    """The limit that was asked for is reached, or a call is complete; else it stays null."""
    stream = [message_start(), *events, message_delta(None, output_tokens=tokens), STOP]
    assert message_of(repair_messages(encode(stream)))["stop_reason"] == reason


ERRORS: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "ended without an event"),
    "comments": (b": hi\n\n: there\n\n", "ended without an event"),
    "pings": (event(PING) * 3, "ended before it said why"),
    "[DONE]": (b"data: [DONE]\n\n", "ended before it said why"),
    "cut after the start": (encode(GOOD[:1]), "ended before it said why"),
    "cut within a block": (encode(GOOD[:4]), "ended before it said why"),
    "cut after the blocks": (encode(GOOD[:-2]), "ended before it said why"),
    "cut within an event": (encode(GOOD[:-1])[:-30], "ended before it said why"),
    "cut after a null reason": (encode([*GOOD[:-2], message_delta(None)]), "ended before it said why"),
    "cut within a call": (encode([*GOOD[:8], message_delta("tool_use"), STOP]), "ends the message within a tool call"),
    "no JSON": (
        encode(GOOD[:3]) + event(b'{"type":"content', "content_block_delta"),
        "event 4 of the upstream's stream is not JSON",
    ),
    "no UTF-8": (encode(GOOD[:3]) + event(b'{"type":"\xff"}', "content_block_delta"), "is not UTF-8 at byte 9"),
    "not a number": (encode(GOOD[:3]) + event(b'{"type":"ping","n":NaN}', "ping"), "NaN is no value of JSON"),
    "nested": (
        encode(GOOD[:3]) + event(b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "ping"),
        "nested too deeply",
    ),
    "another message": (encode([*GOOD[:4], message_start(id="msg_2"), *GOOD[1:]]), "begins another message"),
    "content after the reason": (encode([*GOOD[:-1], *TEXT]), "content after the reason"),
    "input of no call": (encode([GOOD[0], delta(0, "input_json_delta", "{}")]), "never started"),
    "input of a closed call": (
        encode([*GOOD[:-2], tool_start(2), delta(1, "input_json_delta", "}")]),
        "goes on with a tool call that is closed",
    ),
    "a call without a name": (encode([GOOD[0], block_start(0, {"type": "tool_use", "id": "t"})]), "without a name"),
    "input that is a list": (
        encode([GOOD[0], block_start(0, {"type": "tool_use", "id": "t", "name": "n", "input": [1]})]),
        "whose input is no object",
    ),
    "text that is a number": (encode([*GOOD[:3], delta(0, "text_delta", 3)]), "a text_delta that is no text"),
    "blocks that wait for ever": (
        encode([GOOD[0], tool_start(0), *(text_start(at) for at in range(1, 40))]),
        "goes on with other blocks for too long",
    ),
    "much that waits": (
        encode([GOOD[0], tool_start(0), text_start(1), *[text_delta(1, "x" * 100_000)] * 11]),
        "goes on with other blocks for too long",
    ),
}


@pytest.mark.parametrize("fault", ERRORS)
def test_what_was_lost_is_an_error(fault: str) -> None:
    """Never a success that nobody told of; the error names what was wrong."""
    stream, said = ERRORS[fault]
    kind, message = error_of(repair_messages(stream))
    assert kind == "api_error"
    assert said in message


def test_nothing_follows_an_error() -> None:
    """Whatever the upstream still says: it is counted, and dropped."""
    stream, _ = ERRORS["no JSON"]
    assert repair_messages(stream + encode(GOOD[3:])) == repair_messages(stream)


def test_a_connection_that_broke_is_named() -> None:
    """Before the reason it is an error; after it the message is whole but for its end."""
    assert error_of(repair_messages(encode(GOOD[:5]), problem="reset by 127.0.0.1"))[1] == "reset by 127.0.0.1"
    assert message_of(repair_messages(encode(GOOD[:-1]), problem="reset"))["stop_reason"] == "tool_use"


def test_a_call_that_the_limit_cut_off_is_told_so() -> None:
    """The reason says that the input is not whole: clients know what to do with that."""
    told = message_of(repair_messages(encode([*GOOD[:8], message_delta("max_tokens"), STOP])))
    assert told["content"][1]["input"] == '{"pa'


@pytest.mark.parametrize(
    ("sent", "kind", "message"),
    [
        (
            event({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}),
            "overloaded_error",
            "busy",
        ),
        (event({"error": {"type": "overloaded_error", "message": "busy"}}, "error"), "overloaded_error", "busy"),
        (event({"error": {"type": "overloaded_error", "message": "busy"}}, ""), "overloaded_error", "busy"),
        (event({"error": {"message": "busy"}}, ""), "api_error", "busy"),
        (event({"error": "busy"}, ""), "api_error", "busy"),
        (event(b"busy", "error"), "api_error", "busy"),
        (event({"type": "x_error", "message": "busy"}, "error"), "x_error", "busy"),
        (event({"message": "busy"}, "error"), "api_error", "busy"),
        (event({"type": "error", "error": None}), "api_error", "told of an error"),
    ],
)
def test_an_error_of_the_upstreams_keeps_its_words(sent: bytes, kind: str, message: str) -> None:
    """At the start and in the middle; nothing follows it, no [DONE] and no end."""
    for before in ([], GOOD[:4]):
        stream = repair_messages(encode(before) + sent + encode(GOOD[4:]) + b"data: [DONE]\n\n")
        found = error_of(stream)
        assert found[0] == kind
        assert message in found[1]


def test_what_is_known_of_the_request_stands_in() -> None:
    """The model that was asked for; an id that differs from request to request."""
    told = message_of(repair_messages(encode(GOOD[1:])))
    assert told["model"] == "asked-model"
    other = message_of(repair_messages(encode(GOOD[1:]), asked=Asked("m", None, "another request")))
    assert told["id"] != other["id"]
    assert told["id"].startswith("msg_")


def test_an_endless_stream_takes_no_memory() -> None:
    """Eighteen thousand faulty events leave no more behind than as many before them."""
    repairer = MessageRepairer(ASKED)
    for each in GOOD[:3]:
        repairer.take(StreamEvent(each["type"], json.dumps(each).encode()))
    faulty = [text_delta(0, "x"), text_start(7), text_delta(9, "x"), block_stop(4), PING, text_start(0, "y")]
    encoded = [StreamEvent("", json.dumps(each).encode()) for each in faulty]
    tracemalloc.start()
    try:
        sizes = []
        for _ in range(2):
            for _ in range(3_000):
                for one in encoded:
                    repairer.take(one)
            sizes.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert not repairer.ended
    assert sizes[1] - sizes[0] < 20_000
