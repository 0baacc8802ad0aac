"""Headers that belong to one connection, not to the message: RFC 9110 7.6.1 and RFC 9112 6."""

from __future__ import annotations

from ruleproxy.messages.message import Headers

HOP_BY_HOP = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade")
)
"""Lower-case names of the headers that a proxy never passes on. `Transfer-Encoding` is one of them because
the proxy frames every message anew."""

# A `Connection: content-length` would otherwise make the next hop read the body as a request of its own.
_NEVER_DROPPED_BY_NAME = frozenset((b"content-length", b"host"))

_METHODS_WITH_CONTENT = frozenset(("POST", "PUT", "PATCH"))


def strip_hop_by_hop(headers: Headers) -> Headers:
    """The headers that a proxy passes on: all but the hop-by-hop ones and those that `Connection` names."""
    named: set[bytes] | None = None
    for name, value in headers:
        if len(name) == 10 and name.lower() == b"connection":
            named = named or set()
            named.update(token.strip().lower() for token in value.split(b","))
    if not named:
        return [line for line in headers if line[0].lower() not in HOP_BY_HOP]
    dropped = (named - _NEVER_DROPPED_BY_NAME) | HOP_BY_HOP
    return [line for line in headers if line[0].lower() not in dropped]


def frame_request(headers: Headers, method: str, host: bytes, body: bytes) -> Headers:
    """Headers for a request with a known body.

    `Host` becomes `host` where it stands, or comes first where there was none; `Content-Length` keeps its
    place and spelling and tells the length of `body`; `Transfer-Encoding` and `Expect` go, because the body
    is here already.
    """
    framed: Headers = []
    length = b"%d" % len(body)
    has_host = has_length = False
    for line in headers:
        name = line[0].lower()
        if name == b"host":
            if has_host:
                continue
            has_host = True
            line = (line[0], host)
        elif name == b"content-length":
            if has_length:
                continue
            has_length = True
            if line[1] != length:
                line = (line[0], length)
        elif name == b"transfer-encoding" or name == b"expect":
            continue
        framed.append(line)
    if not has_host:
        framed.insert(0, (b"Host", host))
    if not has_length and (body or method in _METHODS_WITH_CONTENT):
        framed.append((b"Content-Length", length))
    return framed


def has_conflicting_framing(headers: Headers) -> bool:
    """Whether a message says both `Content-Length` and `Transfer-Encoding`: how requests are smuggled."""
    names = {name.lower() for name, _ in headers}
    return b"content-length" in names and b"transfer-encoding" in names
