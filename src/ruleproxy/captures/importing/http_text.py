"""A request as it stands on the wire, or as people write it into a file: request line, headers, blank line, body."""

from __future__ import annotations

import re
from typing import Final

from ruleproxy.captures.assembling import assemble_request
from ruleproxy.captures.capture import Capture, CapturedRequest
from ruleproxy.captures.importing.found import CannotImport, Target, encode_header, split_target, with_host
from ruleproxy.messages.message import Headers
from ruleproxy.wire.headers import strip_hop_by_hop

_UNLIMITED: Final = 1 << 62
_LINE: Final = re.compile(rb"\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+) +(\S+)(?: +HTTP/(\d(?:\.\d)?))?[ \t]*(?:\r?\n|\Z)")
# Editors end files with a line break that is not the body's.
_LAST_BREAK: Final = re.compile(rb"\r?\n\Z")
_SIZE: Final = re.compile(rb"[0-9A-Fa-f]{1,15}")
_MOST_DIGITS: Final = 15
# The line that an answer or another request begins with.
_NEXT: Final = re.compile(rb"\r?\n(?:HTTP/\d(?:\.\d)? \d{3}\b|[A-Z]{3,10} +\S+ +HTTP/\d)")
_END_OF_HEAD: Final = re.compile(rb"\r?\n\r?\n")


def looks_like_http(text: bytes) -> bool:
    """Whether a text begins with a request line: a method, a path or URL, and mostly a version."""
    line = _LINE.match(text)
    if line is None:
        return False
    return line[3] is not None or (line[1].isupper() and line[2].startswith((b"/", b"http://", b"https://")))


def read_http(text: bytes) -> Capture:
    """The request. Raises CannotImport where it is none, or where its body is not what its headers say."""
    line = _LINE.match(text)
    if line is None:
        raise CannotImport("it does not begin with a request line such as POST /v1/messages HTTP/1.1")
    method = line[1].decode("ascii")
    rest = text[line.end() :]
    end = _END_OF_HEAD.search(b"\n" + rest)
    head, body = (rest, b"") if end is None else (rest[: max(end.start() - 1, 0)], rest[end.end() - 1 :])
    headers = [_read_header(part, number) for number, part in enumerate(head.splitlines(), 2) if part.strip()]
    target, given = _read_target(line[2])
    body = _read_body(headers, body)
    if given is not None:
        headers = with_host(headers, given.host)
    made = assemble_request(method, target, strip_hop_by_hop(headers), body, _UNLIMITED)
    if given is None:
        return Capture(made)
    return Capture(
        made,
        CapturedRequest(method, target, made.headers, made.body, given.origin, decoded=made.decoded),
    )


def _read_target(spelled: bytes) -> tuple[bytes, Target | None]:
    if spelled.startswith(b"/") or spelled == b"*":
        return spelled, None
    given = split_target(spelled.decode("utf-8", "surrogateescape"))
    return given.path, given


def _read_header(line: bytes, number: int) -> tuple[bytes, bytes]:
    name, colon, value = line.partition(b":")
    if not colon or line[:1] in b" \t":
        raise CannotImport(f"line {number} is no header: {line[:80].decode('utf-8', 'replace')!r}")
    return encode_header(name.decode("utf-8", "surrogateescape"), value.decode("utf-8", "surrogateescape"))


def _read_body(headers: Headers, body: bytes) -> bytes:
    named = {name.lower(): value.strip().lower() for name, value in headers}
    coding = named.get(b"transfer-encoding", b"")
    if coding == b"chunked":
        return _unchunk(body)
    if coding not in (b"", b"identity"):
        raise CannotImport(f"the transfer-encoding {coding.decode('latin-1')!r} is not read here")
    length = named.get(b"content-length")
    if length is None:
        if (after := _NEXT.search(b"\n" + body)) is not None:
            raise CannotImport(_say_what_follows(body[after.start() :]))
        return _LAST_BREAK.sub(b"", body)
    if not length.isdigit() or len(length) > _MOST_DIGITS:
        raise CannotImport(f"the content-length is {length[:40].decode('latin-1')!r}")
    size = int(length)
    if _NEXT.match(b"\n" + body[size:].lstrip(b"\r\n")) is not None:
        raise CannotImport(_say_what_follows(body[size:]))
    if body[size:].strip(b"\r\n"):
        raise CannotImport(f"the content-length says {size} bytes, and {len(body)} follow")
    if len(body) < size:
        raise CannotImport(f"the content-length says {size} bytes, and only {len(body)} follow")
    return body[:size]


def _say_what_follows(text: bytes) -> str:
    line = text.lstrip(b"\r\n").partition(b"\n")[0][:80].decode("utf-8", "replace").strip()
    return f"one request is expected, and more follows: {line!r}"


def _unchunk(body: bytes) -> bytes:
    parts: list[bytes] = []
    rest = body
    while True:
        line, found, rest = rest.partition(b"\n")
        digits = line.partition(b";")[0].strip()
        if not found or _SIZE.fullmatch(digits) is None:
            raise CannotImport("the chunked body is damaged: a chunk has no size")
        size = int(digits, 16)
        if size == 0:
            after = _END_OF_HEAD.search(b"\n" + rest)
            if after is not None and rest[after.end() - 1 :].strip(b"\r\n"):
                raise CannotImport(_say_what_follows(rest[after.end() - 1 :]))
            return b"".join(parts)
        line_end = rest[size : size + 2]
        if len(rest) < size or not line_end.startswith((b"\r\n", b"\n")):
            raise CannotImport("the chunked body is damaged: a chunk is not as long as it says")
        parts.append(rest[:size])
        rest = rest[size:].partition(b"\n")[2]
