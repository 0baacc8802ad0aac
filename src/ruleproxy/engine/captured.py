"""Captured exchanges as this room needs them: the client's request, and what the upstream answered."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruleproxy.engine.answers import answer_with, answer_with_stream
from ruleproxy.engine.events import Event
from ruleproxy.messages.message import Headers, Request, Response
from ruleproxy.wire.sse import encode_event

SUFFIX = ".json"
EXPECTED_SUFFIX = ".expected.json"
"""Files of this name beside captures are accepted outcomes, not captures."""


@dataclass(frozen=True, slots=True)
class CapturedExchange:
    """A capture: `answer` is what the upstream answered, None where that was not recorded."""

    request: Request
    answer: tuple[Event, ...] | None


class BadCapture(Exception):
    """A file that is no capture; the message says why, without the file's name."""


def find_captures(folder: Path) -> list[Path]:
    """The capture files below a folder, by name. Raises OSError."""
    if not folder.is_dir():
        folder.stat()
        return [folder]
    return sorted(
        file
        for file in folder.rglob(f"*{SUFFIX}")
        if file.is_file() and not file.name.startswith(".") and not file.name.endswith(EXPECTED_SUFFIX)
    )


def read_exchange(file: Path) -> CapturedExchange:
    """The capture in a file. Raises `BadCapture`, OSError."""
    data = file.read_bytes()
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadCapture(f"not JSON: {error}") from None
    if not isinstance(document, dict) or document.get("version") != 1:
        raise BadCapture("not a capture of version 1")
    try:
        request = _read_request(document["request"])
        answer = _read_answer(document["response"]) if document.get("response") is not None else None
    except (KeyError, TypeError, ValueError) as error:
        what = f"it has no {error}" if isinstance(error, KeyError) else str(error)
        raise BadCapture(f"not a capture of version 1: {what}") from None
    return CapturedExchange(request, answer)


def _read_request(part: Mapping[str, Any]) -> Request:
    path, _, query = part["path"].partition("?")
    return Request(part["method"], path.encode("ascii"), query.encode("ascii"), _headers(part), _body(part))


def _read_answer(part: Mapping[str, Any]) -> tuple[Event, ...]:
    if "events" in part:
        encoded = (
            encode_event(
                event.get("type", ""),
                event["data"].encode() if isinstance(event["data"], str) else _compact(event["data"]),
            )
            for event in part["events"]
        )
        return answer_with_stream(list(encoded), part["status"])
    return answer_with(Response(part["status"], _headers(part), _body(part)))


def _headers(part: Mapping[str, Any]) -> Headers:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in part.get("headers", [])]


def _body(part: Mapping[str, Any]) -> bytes:
    if "body" in part:
        return _compact(part["body"])
    if "body_base64" in part:
        return base64.b64decode(part["body_base64"], validate=True)
    text: str = part.get("body_text", "")
    return text.encode()


def _compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
