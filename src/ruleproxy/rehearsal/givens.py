"""What a `test` block gives: the client's request, the upstreams, and what they answer in order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args
from urllib.parse import quote, urlencode

from ruleproxy.captures.capture import Capture
from ruleproxy.captures.reading import BadCapture, read_capture
from ruleproxy.engine.compiling import evaluate_constant
from ruleproxy.engine.events import Event, FailureKind, UpstreamFailed
from ruleproxy.engine.expressions import CannotCompile
from ruleproxy.engine.ruleset import RuleTest
from ruleproxy.engine.vocabulary import load_vocabulary
from ruleproxy.language import syntax
from ruleproxy.language.source import Span
from ruleproxy.language.suggestions import find_nearest
from ruleproxy.messages.addresses import split_address
from ruleproxy.messages.message import Headers, Request, Response
from ruleproxy.messages.secrets import Secret, join
from ruleproxy.messages.upstreams import Upstream
from ruleproxy.messages.values import EditRefused, encode
from ruleproxy.rehearsal.answers import answer_with, answer_with_stream, recorded_answer
from ruleproxy.wire.sse import encode_event

DEFAULT_UPSTREAM = "https://upstream.example"
"""Where requests go in a test that declares no upstream."""

_FIELDS: Mapping[str, frozenset[str]] = {
    "request": frozenset({"method", "path", "raw_path", "query", "headers", "body", "body_text"}),
    "response": frozenset({"status", "headers", "body", "body_text"}),
    "failure": frozenset({"kind", "message", "events"}),
    "upstream": frozenset({"name", "url", "host"}),
}
_EVENT_FIELDS = frozenset({"type", "data"})
_JSON = (b"content-type", b"application/json")


class BadTest(Exception):
    """A test that cannot be run; the message says why, `span` where in its file."""

    def __init__(self, span: Span, message: str) -> None:
        super().__init__(message)
        self.span = span


@dataclass(slots=True)
class Given:
    """Everything that a test gives. `answers` holds, for each time an upstream is asked, what then happens."""

    request: Request
    upstreams: tuple[Upstream, ...]
    answers: list[tuple[Event, ...]] = field(default_factory=list)


def read_parameters(test: RuleTest) -> dict[str, Any]:
    """What `given parameters` gives, all together. Raises `BadTest`."""
    parameters: dict[str, Any] = {}
    for given in test.node.givens:
        if given.subject.text == "parameters":
            if test.with_parameters is None:
                raise BadTest(given.span, "only a test inside a pack is given parameters")
            parameters |= _read_object(test, given)
    return parameters


def read_given(test: RuleTest, origins: Sequence[str]) -> Given:
    """What a test gives, but for the parameters; `origins` are declared too. Raises `BadTest`."""
    request: Request | None = None
    upstreams: list[Upstream] = []
    answers: list[tuple[Event, ...]] = []
    for given in test.node.givens:
        match given.subject.text:
            case "request" if request is not None:
                raise BadTest(given.span, "a test is given one request")
            case "request":
                request = read_capture_request(test, given) if given.capture is not None else _read_request(test, given)
            case "upstream":
                upstreams.append(_read_upstream(test, given))
            case "response" if given.capture is not None:
                answers += read_capture_answers(test, given)
            case "response":
                answers.append(answer_with(_read_response(test, given)))
            case "events":
                answers.append(_read_events(test, given))
            case "failure":
                answers.append(_read_failure(test, given))
            case "parameters":
                pass
            case other:
                known = ("request", "response", "events", "failure", "upstream", "parameters")
                raise BadTest(given.subject.span, f"a test is not given `{other}`{suggest(other, known)}")
    if request is None:
        raise BadTest(test.node.name_span, "a test needs a request: given request { … }")
    return Given(request, declare(upstreams, origins), answers)


def declare(upstreams: Sequence[Upstream], origins: Iterable[str]) -> tuple[Upstream, ...]:
    """The upstreams (a default one where there is none), and those that rules write out, named by their hosts."""
    declared = list(upstreams) or [Upstream.from_url("default", DEFAULT_UPSTREAM)]
    for origin in origins:
        if all(origin != upstream.origin for upstream in declared):
            declared.append(Upstream(origin.partition("://")[2], origin))
    return tuple(declared)


def read_capture_request(test: RuleTest, given: syntax.Given) -> Request:
    """The request of a capture file, which is named relative to the rules file. Raises `BadTest`."""
    return _read_capture(test, given).request.to_message()


def read_capture_answers(test: RuleTest, given: syntax.Given) -> list[tuple[Event, ...]]:
    """What came back in a capture, as often as something was sent: whole answers, streams, failures.

    Raises `BadTest`, also where nothing did.
    """
    answers = [recorded_answer(attempt) for attempt in _read_capture(test, given).answered]
    if not answers:
        raise BadTest(given.span, f"{folder_of(test) / (given.capture or '')}: nothing came back in this capture")
    return answers


def _read_capture(test: RuleTest, given: syntax.Given) -> Capture:
    assert given.capture is not None
    try:
        return read_capture(folder_of(test) / given.capture)
    except BadCapture as error:
        raise BadTest(given.span, str(error)) from None


def folder_of(test: RuleTest) -> Path:
    """The folder of the rules file that a test stands in."""
    return Path(test.source.name).parent


def suggest(word: str, known: Iterable[str]) -> str:
    """`, did you mean …?` where a known word is near."""
    nearest = find_nearest(word, list(known))
    return f", did you mean `{nearest}`?" if nearest is not None else ""


def _read_request(test: RuleTest, given: syntax.Given) -> Request:
    fields = _read_fields(test, given)
    body, is_json = _read_body(given, fields)
    path, raw = fields.get("path"), fields.get("raw_path")
    if (path is None) == (raw is None):
        raise BadTest(given.span, "a request has a path or a raw_path")
    text = raw if path is None else quote(_text(given, "path", path), safe="/:@!$&'()*+,;=-._~")
    target = _text(given, "raw_path", text)
    if not target.startswith("/") or not target.isascii() or not target.isprintable() or set(target) & set(" ?#"):
        raise BadTest(given.span, f"{target!r} is not a path: it begins with / and holds no space, ?, # or control")
    headers = _read_headers(given, fields.get("headers", {}))
    if is_json and not _has(headers, b"content-type"):
        headers.append(_JSON)
    method = _text(given, "method", fields.get("method", "POST" if body else "GET"))
    return Request(method, target.encode("ascii"), _read_query(given, fields.get("query", "")), headers, body)


def _read_response(test: RuleTest, given: syntax.Given) -> Response:
    fields = _read_fields(test, given)
    status = fields.get("status", 200)
    if not isinstance(status, int) or isinstance(status, bool) or not 200 <= status <= 599:
        raise BadTest(given.span, f"{status!r} is not a status of a final answer (200 to 599)")
    body, is_json = _read_body(given, fields)
    headers = _read_headers(given, fields.get("headers", {}))
    if is_json and not _has(headers, b"content-type"):
        headers.append(_JSON)
    return Response(status, headers, body)


def _read_events(test: RuleTest, given: syntax.Given) -> tuple[Event, ...]:
    return answer_with_stream(_encode_events(given, _evaluate(test, given)))


def _encode_events(given: syntax.Given, events: Any) -> list[bytes]:
    if events == {}:
        events = []
    if not isinstance(events, list):
        raise BadTest(given.span, "events are a list: { { type = …, data = … }, … }")
    encoded: list[bytes] = []
    for event in events:
        if not isinstance(event, dict) or not event.keys() <= _EVENT_FIELDS or "data" not in event:
            raise BadTest(given.span, "an event has data and may have a type, nothing else")
        data = event["data"]
        try:
            encoded.append(
                encode_event(
                    _text(given, "type", event.get("type", "")),
                    data.encode() if isinstance(data, str) else encode(data),
                )
            )
        except (ValueError, EditRefused) as error:
            raise BadTest(given.span, str(error)) from None
    return encoded


def _read_failure(test: RuleTest, given: syntax.Given) -> tuple[Event, ...]:
    fields = _read_fields(test, given)
    kind: Any = fields.get("kind")
    if kind not in get_args(FailureKind):
        raise BadTest(given.span, f"the kind of a failure is one of {', '.join(get_args(FailureKind))}")
    failed = UpstreamFailed(kind, _text(given, "message", fields.get("message", f"the upstream failed: {kind}")))
    if "events" not in fields:
        return (failed,)
    *begun, _ = answer_with_stream(_encode_events(given, fields["events"]))
    return (*begun, failed)


def _read_upstream(test: RuleTest, given: syntax.Given) -> Upstream:
    fields = _read_fields(test, given)
    if ("url" in fields) == ("host" in fields):
        raise BadTest(given.span, "an upstream has a url or a host")
    url: Any = fields["url"] if "url" in fields else fields["host"]
    if not isinstance(url, str | Secret):
        raise BadTest(given.span, f"{'url' if 'url' in fields else 'host'} takes a string")
    try:
        origin, base, query = split_address(url if "url" in fields else join("https://", url))
    except (ValueError, EditRefused) as error:
        raise BadTest(given.span, str(error)) from None
    if query:
        raise BadTest(given.span, "the URL of an upstream has no query: that of the request is kept")
    return Upstream(_text(given, "name", fields.get("name", "default")), origin, base.rstrip("/"))


def _read_fields(test: RuleTest, given: syntax.Given) -> dict[str, Any]:
    fields = _read_object(test, given)
    known = _FIELDS[given.subject.text]
    for name in fields:
        if name not in known:
            raise BadTest(given.span, f"{given.subject.text} has no field `{name}`{suggest(name, sorted(known))}")
    return fields


def _read_object(test: RuleTest, given: syntax.Given) -> dict[str, Any]:
    value = _evaluate(test, given)
    if not isinstance(value, dict):
        raise BadTest(given.span, f"given {given.subject.text} takes {{ name = value, … }}")
    return value


def _evaluate(test: RuleTest, given: syntax.Given) -> Any:
    if given.table is None:
        raise BadTest(
            given.span, f"given {given.subject.text} takes a table; requests and responses come from captures"
        )
    try:
        return evaluate_constant(given.table, test.constants, load_vocabulary(), test.parameters)
    except CannotCompile as error:
        raise BadTest(error.node.span, str(error)) from None
    except EditRefused as refused:
        raise BadTest(given.span, str(refused)) from None


def _read_body(given: syntax.Given, fields: Mapping[str, Any]) -> tuple[bytes, bool]:
    if "body_text" in fields:
        if "body" in fields:
            raise BadTest(given.span, "a message has a body or a body_text, not both")
        return _text(given, "body_text", fields["body_text"]).encode(), False
    if "body" not in fields:
        return b"", False
    try:
        return encode(fields["body"]), True
    except EditRefused as refused:
        raise BadTest(given.span, str(refused)) from None


def _read_headers(given: syntax.Given, value: Any) -> Headers:
    if not isinstance(value, dict):
        raise BadTest(given.span, "headers are { name = value, … }; a list as the value gives repeated lines")
    lines: Headers = []
    for name, item in value.items():
        for text in item if isinstance(item, list) else [item]:
            try:
                lines.append((name.encode("ascii"), _text(given, f"header {name}", text).encode("latin-1")))
            except UnicodeEncodeError:
                raise BadTest(given.span, f"header {name} holds what no header can: not Latin-1") from None
    return lines


def _read_query(given: syntax.Given, value: Any) -> bytes:
    if isinstance(value, dict):
        return urlencode([(name, _text(given, f"query {name}", item)) for name, item in value.items()]).encode()
    return _text(given, "query", value).removeprefix("?").encode()


def _text(given: syntax.Given, name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise BadTest(given.span, f"{name} takes a string")
    return value


def _has(headers: Headers, name: bytes) -> bool:
    return any(key.lower() == name for key, _ in headers)
