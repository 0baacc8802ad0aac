"""A stream given to the client as the whole answer that it asked for."""

from __future__ import annotations

from ruleproxy.engine.faking import ENTITY, FakingError, decode_body
from ruleproxy.messages.message import Response
from ruleproxy.wire.collect_stream import CannotCollectError, collect_stream
from ruleproxy.wire.formats import error_status


def collect(response: Response) -> Response:
    """The whole answer that a stream tells. Raises `FakingError` where it tells none."""
    try:
        body = collect_stream(decode_body(response))
    except CannotCollectError as error:
        kind = (error.error or {}).get("type")
        if isinstance(kind, str):
            raise FakingError(error_status(kind), kind, str(error)) from None
        raise FakingError(502, "api_error", f"the upstream's stream could not be collected: {error}") from None
    kept = [line for line in response.headers if line[0].lower() not in ENTITY and line[0].lower() != b"cache-control"]
    headers = [(b"content-type", b"application/json"), *kept, (b"content-length", b"%d" % len(body))]
    return Response(response.status, headers, body)
