"""What Bedrock's frames mean, as botocore reads them with the model of the service."""

from __future__ import annotations

import json
from typing import Any

import botocore.session
import pytest
from botocore.eventstream import EventStreamMessage
from botocore.parsers import EventStreamJSONParser

from ruleproxy.wire.bedrock import (
    KEEP_ALIVE,
    Decoder,
    encode_chunk,
    encode_event,
    encode_exception,
    error_kind,
    respell_event,
)
from ruleproxy.wire.events import BadStreamError, Filler, StreamEvent, Unfinished
from ruleproxy.wire.eventstream import decode_frame, encode_frame

EVENT = b'{"type":"message_stop"}'
CHUNK = {":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"}


def parse(raw: bytes) -> tuple[int, dict[str, Any]]:
    """Status and content of a frame as botocore reads it."""
    model = botocore.session.get_session().get_service_model("bedrock-runtime")
    shape = model.operation_model("InvokeModelWithResponseStream").output_shape.members["body"]
    frame = decode_frame(raw)
    response = EventStreamMessage(None, frame.headers, frame.payload, 0).to_response_dict()
    return response["status_code"], EventStreamJSONParser().parse(response, shape)


def test_a_chunk_is_one_for_botocore() -> None:
    """Its bytes are the event."""
    assert parse(encode_chunk(EVENT)) == (200, {"chunk": {"bytes": EVENT}})


@pytest.mark.parametrize(
    ("kind", "name", "again"),
    [
        ("invalid_request_error", "validationException", "invalid_request_error"),
        ("permission_error", "validationException", "invalid_request_error"),
        ("rate_limit_error", "throttlingException", "rate_limit_error"),
        ("api_error", "internalServerException", "api_error"),
        ("timeout_error", "modelTimeoutException", "timeout_error"),
        ("overloaded_error", "serviceUnavailableException", "overloaded_error"),
        ("x_corp_error", "modelStreamErrorException", "api_error"),
    ],
)
def test_an_error_is_an_exception_for_botocore(kind: str, name: str, again: str) -> None:
    """By the name that the service's model has; read here it is an error event again."""
    raw = encode_exception(kind, "slow\ndown")
    status, parsed = parse(raw)
    assert (status, parsed["Error"]) == (400, {"Code": name, "Message": "slow\ndown"})
    (event,) = Decoder().feed(raw)
    assert isinstance(event, StreamEvent)
    assert event.type == "error"
    assert json.loads(event.data) == {"type": "error", "error": {"type": again, "message": "slow\ndown"}}
    assert encode_event("error", event.data) == encode_exception(again, "slow\ndown")


def test_what_keeps_a_connection_alive_is_nothing_to_botocore() -> None:
    """Such a frame is parsed to nothing, which its iterator leaves out."""
    assert parse(KEEP_ALIVE) == (200, {})
    assert Decoder().feed(KEEP_ALIVE) == [Filler(KEEP_ALIVE)]


def test_padding_and_frames_of_other_kinds() -> None:
    """Padding is passed over; a frame of the Converse API is an event of its own type, edited in its own headers."""
    payload = b'{"p":"abcdefgh","bytes":"eyJ0eXBlIjoibWVzc2FnZV9zdG9wIn0="}'
    padded = encode_frame(CHUNK, payload)
    converse = encode_frame(CHUNK | {":event-type": "messageStop"}, b'{"stopReason":"end_turn"}')
    assert Decoder().feed(padded + converse) == [
        StreamEvent("message_stop", EVENT, padded),
        StreamEvent("messageStop", b'{"stopReason":"end_turn"}', converse),
    ]
    assert respell_event(converse, "messageStop", b"{}") == encode_frame(CHUNK | {":event-type": "messageStop"}, b"{}")
    assert respell_event(padded, "message_stop", b"{}") == encode_chunk(b"{}")


def test_an_error_frame_without_a_payload() -> None:
    """Where the service itself failed; what it says is in the headers."""
    raw = encode_frame({":message-type": "error", ":error-code": "InternalError", ":error-message": "oh"}, b"")
    assert [item.data for item in Decoder().feed(raw) if isinstance(item, StreamEvent)] == [
        b'{"type":"error","error":{"type":"api_error","message":"oh"}}'
    ]


@pytest.mark.parametrize("payload", [b"", b"{}", b"[]", b'{"bytes":"%%%"}', b'{"bytes":3}', b"\xff"])
def test_a_chunk_without_an_event(payload: bytes) -> None:
    """What came before it is not lost."""
    decoder = Decoder()
    with pytest.raises(BadStreamError, match="carries no event") as caught:
        decoder.feed(encode_chunk(EVENT) + encode_frame(CHUNK, payload))
    assert [type(item) for item in caught.value.before] == [StreamEvent]


def test_a_broken_frame_and_one_that_is_cut() -> None:
    """The first is an error with what came before; of the second its bytes are kept."""
    with pytest.raises(BadStreamError, match="checksum") as caught:
        Decoder().feed(encode_chunk(EVENT) + encode_chunk(EVENT)[:-1] + b"?")
    assert len(caught.value.before) == 1
    decoder = Decoder()
    assert decoder.feed(encode_chunk(EVENT)[:-1]) == []
    assert decoder.finish() == [Unfinished(encode_chunk(EVENT)[:-1])]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("ThrottlingException", "rate_limit_error"),
        ("com.amazon.coral.service#AccessDeniedException", "permission_error"),
        ("ValidationException:http://internal.amazon.com/coral/", "invalid_request_error"),
        ("SomethingElse", "api_error"),
    ],
)
def test_the_names_of_errors_as_services_spell_them(name: str, kind: str) -> None:
    """With a namespace before them or a place behind."""
    assert error_kind(name) == kind
