"""Accepted outcomes of captures: what goes out and what the client gets, kept beside a capture to be compared with.

The file is JSON to be read in review, credentials masked:

    {"sent": {"method", "url", "headers": ["name: value"], "body"}, "answer": {"status", "headers", "body"}}

`sent` is null where a rule answers, `answer` where nothing was recorded that could come back. A body that is no JSON
is `body_text`, a stream is `events`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import orjson

from ruleproxy.captures.writing import write_whole
from ruleproxy.engine.masking import mask_header, mask_path, mask_text
from ruleproxy.messages.journal import Edit
from ruleproxy.messages.message import Headers
from ruleproxy.rehearsal.differences import Answer, compare_values, parse_json, read_events
from ruleproxy.rehearsal.running import Run
from ruleproxy.wire.events import BadStreamError
from ruleproxy.wire.framing import claimed_framing

AcceptedState = Literal["none", "same", "differs", "written", "unreadable"]


_OTHER_ORDER: Final = (Edit("~", "", "the same values", "in another order"),)


@dataclass(frozen=True, slots=True)
class Comparison:
    """An outcome beside the accepted one. `problem` says why that could not be read or written."""

    state: AcceptedState
    file: str
    differences: tuple[Edit, ...] = ()
    problem: str = ""


def compare_accepted(run: Run, file: Path, *, accept: bool) -> Comparison:
    """Compare a run with the accepted outcome in a file, where there is one; with `accept`, write what differs."""
    try:
        known = file.read_bytes()
    except FileNotFoundError:
        known = None
    except OSError as error:
        return _fail(file, f"cannot be read: {(error.strerror or str(error)).lower()}")
    if known is None and not accept:
        return Comparison("none", str(file))
    outcome = _describe(run)
    differences: tuple[Edit, ...] = ()
    if known is not None:
        try:
            accepted = orjson.loads(known)
        except orjson.JSONDecodeError as error:
            if not accept:
                return _fail(file, f"not JSON: {error.msg.lower()} at line {error.lineno}")
            accepted = None
        if _write(accepted) == _write(outcome):
            return Comparison("same", str(file))
        outcome = _mask(outcome)
        if _write(accepted) == _write(outcome):
            return Comparison("same", str(file))
        differences = tuple(compare_values(accepted, outcome)) or _OTHER_ORDER
    if not accept:
        return Comparison("differs", str(file), differences)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, orjson.dumps(_mask(outcome), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    except OSError as error:
        return _fail(file, f"cannot be written: {(error.strerror or str(error)).lower()}")
    return Comparison("written", str(file), differences)


def _fail(file: Path, problem: str) -> Comparison:
    return Comparison("unreadable", str(file), problem=problem)


def _write(value: Any) -> bytes:
    return orjson.dumps(value)


def _describe(run: Run) -> dict[str, Any]:
    """The outcome, credentials not masked yet."""
    sent, answer = run.sent, run.answer
    outcome: dict[str, Any] = {"sent": None, "answer": None}
    if sent is not None:
        outcome["sent"] = {
            "method": sent.method,
            "url": sent.origin + sent.target.decode("latin-1"),
            "headers": _describe_headers(sent.headers),
            **_describe_body(sent.body),
        }
    if answer is not None:
        outcome["answer"] = {
            "status": answer.status,
            "headers": _describe_headers(answer.headers),
            **(_describe_stream(answer) if claimed_framing(answer.headers) else _describe_body(answer.body)),
            **({"cut": True} if answer.cut else {}),
        }
    return outcome


def _describe_headers(headers: Headers) -> list[str]:
    # `content-length` says no more than the body does, and would change with every one of its edits.
    lines = ((name.decode("latin-1"), value.decode("latin-1")) for name, value in headers)
    return [f"{name}: {value}" for name, value in lines if name.lower() != "content-length"]


def _describe_body(body: bytes) -> dict[str, Any]:
    if not body:
        return {}
    try:
        value = parse_json(body)
        orjson.dumps(value)
    except (ValueError, RecursionError, orjson.JSONEncodeError):  # an integer past 64 bits, half a surrogate pair
        return {"body_text": body.decode("utf-8", "backslashreplace")}
    return {"body": value}


def _describe_stream(answer: Answer) -> dict[str, Any]:
    try:
        events = read_events(answer)
        orjson.dumps(events)
    except (BadStreamError, RecursionError, orjson.JSONEncodeError):
        return {"body_text": answer.body.decode("utf-8", "backslashreplace")}
    return {"events": events}


def _mask(outcome: dict[str, Any]) -> dict[str, Any]:
    masked: dict[str, Any] = {}
    for part, message in outcome.items():
        if message is None:
            masked[part] = None
            continue
        shown = {name: value if name == "headers" else _mask_value(value) for name, value in message.items()}
        if "url" in shown:
            origin, target = _split_origin(message["url"])
            shown["url"] = origin + mask_path(target)
        shown["headers"] = [_mask_line(line) for line in message["headers"]]
        masked[part] = shown
    return masked


def _mask_value(value: Any) -> Any:
    text = orjson.dumps(value).decode()
    masked = mask_text(text)
    return value if masked == text else json.loads(masked)


def _mask_line(line: str) -> str:
    name, _, value = line.partition(": ")
    return f"{name}: {mask_header(name, value)}"


def _split_origin(url: str) -> tuple[str, str]:
    scheme, _, rest = url.partition("://")
    host, slash, target = rest.partition("/")
    return f"{scheme}://{host}", slash + target
