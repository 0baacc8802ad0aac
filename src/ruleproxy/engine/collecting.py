"""A stream given to the client as the whole answer that it asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from ruleproxy.engine.context import Failure
from ruleproxy.engine.faking import FakingError, readable_body
from ruleproxy.engine.holding import empty_stream, read_error_event
from ruleproxy.engine.replying import ENTITY, Client, with_length
from ruleproxy.messages.message import Response
from ruleproxy.wire.collect_chat import collect_chat
from ruleproxy.wire.collect_responses import collect_responses
from ruleproxy.wire.collect_stream import CannotCollectError, collect_stream
from ruleproxy.wire.events import BadStreamError, StreamEvent
from ruleproxy.wire.formats import Api
from ruleproxy.wire.framing import Framing
from ruleproxy.wire.invocation_metrics import metric_headers

_COLLECTORS: Mapping[Api, Callable[[Iterable[StreamEvent]], bytes]] = {
    "openai.chat": collect_chat,
    "openai.responses": collect_responses,
}
"""What collects streams, by the format that the client's path names; all others tell messages of Anthropic."""


def collect(response: Response, framing: Framing, client: Client) -> Response | Failure:
    """The whole answer that a stream tells, or why it tells none: an error that it told of, or an end too soon."""
    try:
        items = framing.decode(readable_body(response))
    except FakingError as error:
        return _fail(error.kind, error.status, str(error))
    except BadStreamError as error:
        return _fail("api_error", 502, f"the upstream's stream could not be collected: {error}")
    events = [item for item in items if isinstance(item, StreamEvent)]
    if not events:
        return empty_stream()
    try:
        body = _COLLECTORS.get(client.api, collect_stream)(events)
    except CannotCollectError as error:
        told = None if error.event is None else read_error_event(error.event)
        return told or _fail("api_error", 502, f"the upstream's stream could not be collected: {error}")
    kept = [line for line in response.headers if line[0].lower() not in ENTITY and line[0].lower() != b"cache-control"]
    made = [(b"content-type", b"application/json")]
    if client.api == "bedrock.invoke":
        named = {name.lower() for name, _ in kept}
        made += [line for line in metric_headers(body) if line[0] not in named]
    return Response(response.status, with_length([*made, *kept], len(body)), body)


def _fail(kind: str, status: int, message: str) -> Failure:
    return Failure("truncated", {"type": kind, "message": message, "status": status})
