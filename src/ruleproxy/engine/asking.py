"""What a request asks for, wherever its format says so: whose format, which model, a stream or a whole answer."""

from __future__ import annotations

from ruleproxy.engine.runtime import member
from ruleproxy.messages.edited import EditedRequest
from ruleproxy.messages.nodes import ObjectNode
from ruleproxy.messages.values import NIL, Nil
from ruleproxy.wire.formats import Api, api_of

# What formats that say it in the path write at its end for a whole answer, and for a stream.
_ENDINGS = (("/invoke", "/invoke-with-response-stream"), (":rawPredict", ":streamRawPredict"))
_COUNTING = "/count-tokens:rawPredict"


def request_api(request: EditedRequest) -> Api:
    """The provider format of a request, by its path."""
    return api_of(request.path)


def request_model(request: EditedRequest) -> str | Nil:
    """The model that a request names in its body, or in its path where Bedrock and Vertex clients put it."""
    if isinstance(name := member(request.body.root, "model"), str):
        return name
    path = request.path
    for before, after in (("/model/", "/invoke"), ("/publishers/anthropic/models/", ":")):
        _, found, rest = path.partition(before)
        if found and after in rest:
            return rest[: rest.rindex(after)]
    return NIL


def wants_stream(request: EditedRequest) -> bool:
    """Whether a request asks for a stream, in its body or by its path."""
    streaming = tuple(ending for _, ending in _ENDINGS)
    if request.raw_path.endswith(streaming) or request.outgoing_path.endswith(streaming):
        return True
    return member(request.body.root, "stream") is True


def ask_whole(request: EditedRequest) -> None:
    """Ask for a whole answer in place of a stream."""
    root = request.body.root
    if isinstance(root, ObjectNode):
        root.remove("stream")
        root.remove("stream_options")  # means nothing without the other, and is refused
    for whole, streaming in _ENDINGS:
        _change_ending(request, streaming, whole)


def ask_stream(request: EditedRequest) -> bool:
    """Ask for a stream in place of a whole answer; whether that could be asked for."""
    root, path = request.body.root, request.outgoing_path
    if not isinstance(root, ObjectNode) or path.endswith(_COUNTING):
        return False
    for whole, streaming in _ENDINGS:
        _change_ending(request, whole, streaming)
    if api_of(request.outgoing_path) != "bedrock.invoke":
        root.put("stream", True)
    if api_of(request.outgoing_path) == "openai.chat":
        # Without it a stream does not tell the counts that a whole answer has.
        root.put("stream_options", {"include_usage": True})
    return True


def _change_ending(request: EditedRequest, before: str, after: str) -> None:
    upstream = request.upstream
    if request.raw_path.endswith(before):
        request.write_raw_path(request.raw_path.removesuffix(before) + after)
    exact = upstream.exact_path
    if exact is not None and exact.endswith(before):
        upstream.become_url(upstream.origin + exact.removesuffix(before) + after, exact)
