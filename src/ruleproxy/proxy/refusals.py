"""Requests that a proxy must not pass on, told from their head alone."""

from __future__ import annotations

from typing import Any, NamedTuple

from ruleproxy.messages.message import Headers
from ruleproxy.wire.headers import has_conflicting_framing


class Refusal(NamedTuple):
    """An answer instead of the upstream's."""

    status: int
    message: str


def find_refusal(scope: dict[str, Any], headers: Headers, *, header_limit: int, body_limit: int) -> Refusal | None:
    """Why the request of an ASGI scope is refused, or None. Limits in bytes.

    The header limit is counted here because Hypercorn's own only counts while a head is incomplete.
    """
    version = scope["http_version"]
    if version != "1.1" and version != "1.0":
        return Refusal(505, f"HTTP/{version} is not spoken here")
    raw_path: bytes = scope["raw_path"]
    if raw_path[:1] != b"/":
        return Refusal(400, "the request target does not begin with /")
    query: bytes = scope["query_string"]
    state = scope.get("state") or {}
    method = state.get("method")
    if method is not None and method != scope["method"].encode("ascii"):
        return Refusal(400, "the method is not in upper case")
    if not query and state.get("target", b"")[-1:] == b"?":
        return Refusal(400, "the request target ends in a bare ?")
    size = len(raw_path) + len(query)
    content_length = b""
    has_encoding = False
    for name, value in headers:
        size += len(name) + len(value) + 4
        if len(name) == 14 and name.lower() == b"content-length":
            content_length = value
        elif len(name) == 17 and name.lower() == b"transfer-encoding":
            has_encoding = True
    if size > header_limit:
        return Refusal(431, f"the request's head is longer than {header_limit} bytes")
    if has_encoding and content_length and has_conflicting_framing(headers):
        return Refusal(400, "the request says both content-length and transfer-encoding")
    if content_length and int(content_length) > body_limit:
        return Refusal(413, say_too_large(body_limit))
    return None


def say_too_large(body_limit: int) -> str:
    """The message of a 413."""
    return f"the request's body is longer than {body_limit} bytes"
