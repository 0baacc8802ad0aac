"""One line a request, without credentials and without bytes that a terminal or a log reader would obey."""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote_to_bytes

import orjson

from ruleproxy.captures.masking import Masker

LogFormat = Literal["text", "json"]

_FLUSH_AFTER = 0.05
# More names than captures mask (`secret_names`): a mask by mistake ruins a capture, and no line of a log.
_SECRET_NAME = re.compile(rb"key|token|secret|passw|sig|auth|cred|code|session", re.IGNORECASE)
# The target of a CONNECT that has a password before its host.
_USER = re.compile(rb"\A([^/@?]*:)[^/@?]+@")
_LONG_WORD = re.compile(rb"[^/&=?]{16,}|[:@]")
_masker = Masker()
_UNSAFE = re.compile(r"[^\x21-\x7e]")
_SESSION_LENGTH = 128


@dataclass(slots=True)
class Entry:
    """What is known of a request once it is over. Times in seconds; `first` is None if no byte went out."""

    method: str
    path: bytes
    query: bytes
    status: int
    first: float | None
    end: float
    size: int
    acted: Sequence[str] = ()
    session: bytes = b""
    note: str = ""
    retries: int = 0
    cut: bool = False


class AccessLog:
    """Writes entries to a file descriptor, many with one call, at most 50 ms late."""

    def __init__(self, file_descriptor: int = 2, log_format: LogFormat = "text") -> None:
        self._file_descriptor = file_descriptor
        self._render = render_text if log_format == "text" else render_json
        self._lines: list[str] = []
        self._flush_due = False
        self._second = 0
        self._second_text = ""

    def write(self, entry: Entry) -> None:
        """Take an entry; call it within a running event loop."""
        self._lines.append(self._render(self._tell_time(), entry))
        if not self._flush_due:
            self._flush_due = True
            asyncio.get_running_loop().call_later(_FLUSH_AFTER, self.flush)

    def flush(self) -> None:
        """Write what is waiting."""
        self._flush_due = False
        lines, self._lines = self._lines, []
        if lines:
            data = "".join(lines).encode("utf-8", "backslashreplace")
            while data:
                data = data[os.write(self._file_descriptor, data) :]

    def _tell_time(self) -> str:
        now = time.time()
        second = int(now)
        if second != self._second:
            self._second = second
            self._second_text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._second_text}.{int((now - second) * 1000):03d}Z"


def render_text(when: str, entry: Entry) -> str:
    """An entry for people: `WHEN METHOD PATH STATUS first=ms end=ms bytes=N [rules=A,B] [session=ID] [(note)]`."""
    first = "-" if entry.first is None else f"{entry.first * 1000:.1f}ms"
    line = (
        f"{when} {entry.method} {show_target(entry.path, entry.query)} {entry.status}"
        f" first={first} end={entry.end * 1000:.1f}ms bytes={entry.size}"
    )
    if entry.acted:
        line += f" rules={','.join(entry.acted)}"
    if entry.session:
        line += f" session={_show(_mask_long(entry.session[:_SESSION_LENGTH]))}"
    if entry.note:
        line += f" ({_escape_spaced(entry.note)})"
    return line + "\n"


def render_json(when: str, entry: Entry) -> str:
    """An entry as one JSON object: the same facts, times in milliseconds."""
    first = None if entry.first is None else round(entry.first * 1000, 1)
    value: dict[str, object] = {
        "time": when,
        "method": entry.method,
        "path": show_target(entry.path, entry.query),
        "status": entry.status,
        "first_ms": first,
        "end_ms": round(entry.end * 1000, 1),
        "bytes": entry.size,
        "rules": list(entry.acted),
    }
    if entry.session:
        value["session"] = _show(_mask_long(entry.session[:_SESSION_LENGTH]))
    if entry.retries:
        value["retries"] = entry.retries
    if entry.cut:
        value["cut"] = True
    if entry.note:
        value["note"] = entry.note
    return orjson.dumps(value).decode() + "\n"


def show_target(path: bytes, query: bytes) -> str:
    """A request target with `***` for the value of every parameter that may be a credential, and masks for keys."""
    shown = _show(_mask_long(_USER.sub(rb"\1***@", path)))
    return f"{shown}?{_show(_mask_long(mask_query(query)))}" if query else shown


def _mask_long(text: bytes) -> bytes:
    # Keys are long, and the paths of most requests are short words: those cost nothing.
    return text if _LONG_WORD.search(text) is None else _masker.mask_text(text)


def mask_query(query: bytes) -> bytes:
    """The query with `***` for values whose names sound like a credential, however they are encoded."""
    if b"=" not in query:
        # A query without a name is a value, and may be anything.
        return query if len(query) < 12 else b"***"
    parts = []
    for part in query.split(b"&"):
        name, equals, _ = part.partition(b"=")
        if equals and _SECRET_NAME.search(unquote_to_bytes(name)):
            part = name + b"=***"
        parts.append(part)
    return b"&".join(parts)


def _show(raw: bytes) -> str:
    text = raw.decode("latin-1")
    return text if text.isascii() and text.isprintable() and " " not in text else _UNSAFE.sub(_escape, text)


def _escape_spaced(text: str) -> str:
    return text if text.isprintable() else "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)


def _escape(match: re.Match[str]) -> str:
    return f"\\x{ord(match[0]):02x}"
