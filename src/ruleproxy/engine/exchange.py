"""One request and its answer as a state machine without I/O.

The driver (sockets in `ruleproxy.proxy`, a script in `ruleproxy test`) feeds what happened and carries out what
comes back, in order:

    begin()                        -> Send, or an answer of our own (Head, Data, End)
    receive(UpstreamHead(…))       -> the head for the client, or nothing yet
    receive(UpstreamData(…))       -> data for the client, or nothing yet
    receive(UpstreamEnd())         -> what is left, and End
    receive(UpstreamFailed(…))     -> an error answer, or Cut where bytes went out already
    receive(Waited())              -> what keeps the client waiting; asked for after `patience` seconds of silence

`relaying` is true once every further byte of the upstream's answer goes to the client as it comes: a driver
may then copy data without asking. A head always precedes data; End or Cut comes once and last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ruleproxy.engine.context import Answer, RunContext
from ruleproxy.engine.events import (
    Action,
    Cut,
    Data,
    End,
    Event,
    FailureKind,
    Head,
    Send,
    UpstreamData,
    UpstreamEnd,
    UpstreamFailed,
    UpstreamHead,
    Waited,
)
from ruleproxy.engine.faking import FakingError, StreamFaker
from ruleproxy.engine.glancing import Glance
from ruleproxy.engine.ruleset import Ruleset
from ruleproxy.engine.running import Outcome, RequiredRuleFailed, run_rules
from ruleproxy.messages.edited import EditedRequest, EditedResponse
from ruleproxy.messages.headers import HeaderFields
from ruleproxy.messages.journal import Journal
from ruleproxy.messages.message import Headers, Request, Response
from ruleproxy.messages.nodes import ObjectNode
from ruleproxy.messages.upstreams import Upstream
from ruleproxy.messages.values import NIL, EditRefused, Value, encode
from ruleproxy.wire.formats import error_body, error_type

__all__ = [
    "Action",
    "Cut",
    "Data",
    "End",
    "Event",
    "Exchange",
    "FailureKind",
    "Head",
    "Send",
    "UpstreamData",
    "UpstreamEnd",
    "UpstreamFailed",
    "UpstreamHead",
    "Waited",
]


@dataclass(frozen=True, slots=True)
class Limits:
    """What one exchange may hold in memory."""

    answer: int = 64 * 1024 * 1024
    """Bytes of an answer that rules or a faked stream need whole."""


_EVENT_STREAM = b"text/event-stream"
_NO_BODY = frozenset({204, 304})


class Exchange:
    """One request through one ruleset, from the client's bytes to the client's answer. See the module's text.

    `relaying`, `patience` and `acted` (names of the rules that changed something, in order, each once) are read by
    the driver; `outcomes` has every rule's verdict by side, `contexts` the messages that the rules of a side worked on;
    `sent` is the last request that went upstream.
    """

    def __init__(
        self,
        ruleset: Ruleset,
        request: Request,
        upstreams: tuple[Upstream, ...],
        *,
        detailed: bool = False,
        limits: Limits | None = None,
        observe: Callable[[Sequence[Outcome]], None] | None = None,
    ) -> None:
        self.ruleset = ruleset
        self.request = request
        self.relaying = False
        self.patience: float | None = None
        self.outcomes: dict[str, list[Outcome]] = {}
        self.sent: Send | None = None
        self.reused = len(request.body)
        self.notes: tuple[str, ...] = ()
        self.body_problem: str | None = None
        self._detailed = detailed
        self._observe = observe
        self._limits = limits or Limits()
        self._upstreams = upstreams
        journal = Journal(detailed=detailed)
        self._edited = EditedRequest(request, upstreams, journal)
        self._context = RunContext(request, self._edited, upstreams, journal)
        self.contexts = {"request": self._context}
        self._faker: StreamFaker | None = None
        self._head: UpstreamHead | None = None
        self._held: list[bytes] = []
        self._held_size = 0
        self._started = False

    @property
    def acted(self) -> Sequence[str]:
        """Names of the rules that changed something, in order, each once."""
        names = (o.rule.name for side in self.outcomes.values() for o in side if o.verdict == "changed")
        return tuple(dict.fromkeys(names))

    @property
    def remarks(self) -> Sequence[str]:
        """What else there is to say of the exchange in one log line: failed rules, an unread body, notes of rules."""
        failed = tuple(
            f"failed: {o.rule.name}" for side in self.outcomes.values() for o in side if o.verdict == "failed"
        )
        unread = (f"body {self.body_problem}",) if self.body_problem is not None else ()
        return (*failed, *unread, *self.notes)

    def begin(self) -> Sequence[Action]:
        """Run the request rules and ask the upstream, or answer."""
        edited = self._edited
        rules = self.ruleset.candidates("request", edited.method, edited.path)
        if rules:
            try:
                glance = None if self._detailed or rules.pick is None else Glance(self._context, *rules.pick)
                self._note("request", run_rules(rules, self._context, glance))
            except RequiredRuleFailed as failed:
                self._note("request", list(failed.outcomes))
                return self._refuse(502, str(failed))
            self.body_problem = edited.body.problem
            decisions = self._context.decisions
            self.notes = decisions.notes
            if decisions.answer is not None:
                return self._answer(decisions.answer)
            if decisions.faked is not None:
                self._fake(decisions.faked.ping_every)
        return (self._send(),)

    def _note(self, side: str, outcomes: list[Outcome]) -> None:
        self.outcomes[side] = outcomes
        if self._observe is not None:
            self._observe(outcomes)

    def _fake(self, ping_every: float | None) -> None:
        root = self._edited.body.root
        model = root.get("model") if isinstance(root, ObjectNode) else NIL
        if isinstance(root, ObjectNode):
            root.remove("stream")
        self._faker = StreamFaker(model if isinstance(model, str) else "")
        self.patience = ping_every

    def _send(self) -> Send:
        edited = self._edited
        body, self.reused = edited.body.to_bytes()
        if self._faker is not None or self._reads_answer():
            # What has to be read is asked for uncompressed.
            edited.headers.write("accept-encoding", "identity")
        query = b"?" + edited.query.text if edited.query.text else b""
        target = edited.outgoing_path.encode("latin-1") + query
        self.sent = Send(edited.upstream.origin, edited.method, target, edited.headers.lines, body)
        return self.sent

    def _reads_answer(self) -> bool:
        return bool(self.ruleset.candidates("response", self._edited.method, self._edited.path))

    def receive(self, event: Event) -> Sequence[Action]:
        """What follows an event."""
        match event:
            case UpstreamHead():
                return self._receive_head(event)
            case UpstreamData(data):
                return self._receive_data(data)
            case UpstreamEnd():
                return (End(),) if self.relaying else self._finish()
            case UpstreamFailed(kind, message):
                return self._receive_failure(kind, message)
            case Waited():
                return self._keep_waiting()

    def _receive_head(self, head: UpstreamHead) -> Sequence[Action]:
        self._head = head
        streamed = is_event_stream(head.headers)
        if self._faker is not None and not streamed:
            return ()
        # A faked stream's upstream that streams after all: what came counts, not what was asked for.
        if not self._reads_answer():
            return self._relay(head.status, head.headers)
        if streamed or self.request.method == "HEAD" or head.status in _NO_BODY:
            response = self._run_response(Response(head.status, head.headers, b""), streamed=streamed)
            if not isinstance(response, EditedResponse):
                return response
            return self._relay(response.status, response.headers.lines)
        return ()

    def _relay(self, status: int, headers: Headers) -> Sequence[Action]:
        self.relaying = True
        self.patience = None
        if self._started:
            return ()
        self._started = True
        return (Head(status, headers),)

    def _receive_data(self, data: bytes) -> Sequence[Action]:
        if self.relaying:
            return (Data(data),)
        self._held.append(data)
        self._held_size += len(data)
        if self._held_size <= self._limits.answer:
            return ()
        return self._fail(502, "api_error", f"the upstream's answer is larger than {self._limits.answer} bytes")

    def _finish(self) -> Sequence[Action]:
        assert self._head is not None
        response = Response(self._head.status, self._head.headers, b"".join(self._held))
        self._held.clear()
        edited: Sequence[Action] | EditedResponse | None = None
        if self._reads_answer():
            edited = self._run_response(response, streamed=False)
            if not isinstance(edited, EditedResponse):
                return edited
            body, _ = edited.body.to_bytes()
            if body != response.body:
                response = Response(edited.status, with_length(edited.headers.lines, len(body)), body)
            else:
                response = Response(edited.status, edited.headers.lines, body)
        if self._faker is not None:
            return self._finish_faked(response)
        return (Head(response.status, response.headers), Data(response.body), End())

    def _finish_faked(self, response: Response) -> Sequence[Action]:
        assert self._faker is not None
        if not 200 <= response.status < 300:
            if self._started:
                kind, message = self._faker.read_error(response)
                return (Data(self._faker.error_event(kind, message)), End())
            return (Head(response.status, response.headers), Data(response.body), End())
        try:
            events = self._faker.events(response)
        except FakingError as error:
            return self._fail(error.status, error.kind, str(error))
        head = () if self._started else (Head(response.status, self._faker.stream_headers(response.headers)),)
        return (*head, Data(b"".join(events)), End())

    def _run_response(self, response: Response, *, streamed: bool) -> EditedResponse | Sequence[Action]:
        journal = Journal(detailed=self._detailed)
        edited = EditedResponse(response, journal, streamed=streamed)
        context = RunContext(self.request, self._edited, self._upstreams, journal, edited)
        context.keep_original(self._context)
        context.original_response(response, streamed=streamed)
        self.contexts["response"] = context
        rules = self.ruleset.candidates("response", self._edited.method, self._edited.path)
        try:
            self._note("response", run_rules(rules, context))
        except RequiredRuleFailed as failed:
            self._note("response", list(failed.outcomes))
            return self._fail(502, "api_error", str(failed))
        self.notes += context.decisions.notes
        if context.decisions.answer is not None:
            return self._answer(context.decisions.answer)
        return edited

    def _receive_failure(self, kind: FailureKind, message: str) -> Sequence[Action]:
        if self.relaying:
            return (Cut(),)
        status = 504 if kind == "timeout" else 502
        return self._fail(status, error_type(status), message)

    def _keep_waiting(self) -> Sequence[Action]:
        if self._faker is None or self.relaying:
            return ()
        ping = Data(self._faker.ping)
        if self._started:
            return (ping,)
        self._started = True
        return (Head(200, self._faker.stream_headers([])), ping)

    def _answer(self, answer: Answer) -> Sequence[Action]:
        headers = HeaderFields([], Journal())
        try:
            body, content_type = answer_body(answer.body)
            for name, value in answer.headers.items():
                headers.write(name, value)
        except EditRefused as refused:
            return self._fail(502, "api_error", f"a rule's answer cannot be sent: {refused}")
        if content_type is not None and headers.get("content-type") is NIL:
            headers.write("content-type", content_type)
        lines = with_length(headers.lines, len(body))
        if self.request.method == "HEAD" or not body:
            return (Head(answer.status, lines), End())
        return (Head(answer.status, lines), Data(body), End())

    def _refuse(self, status: int, message: str) -> Sequence[Action]:
        return self._fail(status, error_type(status), message)

    def _fail(self, status: int, kind: str, message: str) -> Sequence[Action]:
        self.relaying = False
        if self._started:
            # The 200 is out: only an event can tell of it now.
            return (Data(self._faker.error_event(kind, message)), End()) if self._faker is not None else (Cut(),)
        body = error_body(self._context.api, kind, message)
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        return (Head(status, headers), Data(body), End())


def is_event_stream(headers: Headers) -> bool:
    """Whether an answer says that it is a stream of server-sent events."""
    return any(k.lower() == b"content-type" and v.lower().startswith(_EVENT_STREAM) for k, v in headers)


def with_length(headers: Headers, length: int) -> Headers:
    """The headers of a whole body of this length."""
    kept = [line for line in headers if line[0].lower() not in (b"content-length", b"transfer-encoding")]
    return [*kept, (b"content-length", b"%d" % length)]


def answer_body(value: Value) -> tuple[bytes, str | None]:
    """The bytes of a body that a rule wrote out, and their content type. Raises `EditRefused`."""
    if value is NIL:
        return b"", None
    if isinstance(value, str):
        return value.encode(), "text/plain; charset=utf-8"
    return encode(value), "application/json"
