"""What importing a file gives, piece by piece: captures, what was left out and why, and what is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from ruleproxy.captures.capture import Capture
from ruleproxy.messages.message import Headers


@dataclass(frozen=True, slots=True)
class Imported:
    """A capture; `place` says where in the file it stood, empty where the file holds one only."""

    place: str
    capture: Capture


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What is no exchange with an upstream (a web socket, an answer from a browser's cache), and why."""

    place: str
    reason: str


@dataclass(frozen=True, slots=True)
class Broken:
    """What should have been an exchange and cannot be used; the rest of its file can."""

    place: str
    problem: str


Found = Imported | LeftOut | Broken


class CannotImport(Exception):
    """A file, or one piece of it, that cannot be used."""


@dataclass(frozen=True, slots=True)
class Target:
    """A URL taken apart as it stands: nothing in it is decoded or normalised."""

    origin: str
    host: str
    path: bytes


def split_target(url: str) -> Target:
    """Where a request goes. Raises CannotImport for what is no URL of the web."""
    try:
        parts: SplitResult = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise CannotImport(f"{url[:200]!r} is no URL: {error}") from None
    if parts.scheme.lower() not in ("http", "https") or not parts.hostname:
        raise CannotImport(f"{url[:200]!r} is no URL of http or https")
    name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    host = name if port is None else f"{name}:{port}"
    # Everything after the host, without the fragment, exactly as it was spelled.
    after = url.partition("://")[2]
    start = min((after.find(mark) for mark in "/?#" if mark in after), default=len(after))
    rest = after[start:].partition("#")[0]
    path = rest if rest.startswith("/") else f"/{rest}"
    raw = path.encode("utf-8", "surrogateescape")
    if any(byte <= 0x20 or byte == 0x7F for byte in raw):
        raise CannotImport(f"{url[:200]!r} has a space or a control character")
    return Target(f"{parts.scheme.lower()}://{host}", host, raw)


def encode_header(name: str, value: str) -> tuple[bytes, bytes]:
    """A header as bytes. Raises CannotImport where it cannot be one."""
    try:
        made = name.strip().encode("ascii"), value.strip().encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise CannotImport(f"the header {name!r} has characters that no header has") from None
    if not made[0] or set(made[0]) & set(b" :\t") or set(made[0] + made[1]) & set(b"\r\n\0"):
        raise CannotImport(f"the header {name!r} is none")
    return made


def with_host(headers: Headers, host: str) -> Headers:
    """The headers with a `Host`, first where there was none."""
    if any(name.lower() == b"host" for name, _ in headers):
        return headers
    return [(b"Host", host.encode("utf-8")), *headers]
