"""A stream given to the client as the whole answer that it asked for."""

from __future__ import annotations

from ruleproxy.engine.faking import FakingError, decode_body
from ruleproxy.engine.replying import ENTITY, with_length
from ruleproxy.messages.message import Response
from ruleproxy.wire.collect_stream import CannotCollectError, collect_stream
from ruleproxy.wire.events import BadStreamError, StreamEvent
from ruleproxy.wire.formats import error_status
from ruleproxy.wire.framing import Framing


def collect(response: Response, framing: Framing) -> Response:
    """The whole answer that a stream tells. Raises `FakingError` where it tells none."""
    try:
        body = collect_stream(_read_events(decode_body(response), framing))
    except CannotCollectError as error:
        kind = (error.error or {}).get("type")
        if isinstance(kind, str):
            raise FakingError(error_status(kind), kind, str(error)) from None
        raise FakingError(502, "api_error", f"the upstream's stream could not be collected: {error}") from None
    kept = [line for line in response.headers if line[0].lower() not in ENTITY and line[0].lower() != b"cache-control"]
    return Response(response.status, with_length([(b"content-type", b"application/json"), *kept], len(body)), body)


def _read_events(stream: bytes, framing: Framing) -> list[StreamEvent]:
    try:
        items = framing.decode(stream)
    except BadStreamError as error:
        raise CannotCollectError(str(error)) from None
    return [item for item in items if isinstance(item, StreamEvent)]
