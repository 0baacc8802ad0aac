"""One request and its answer as a state machine without I/O.

The driver (sockets in `ruleproxy.proxy`, a script in `ruleproxy test`) feeds what happened and carries out what
comes back, in order:

    begin()                        -> Send, or an answer of our own (Head, Data, End)
    receive(UpstreamHead(…))       -> the head for the client, or nothing yet
    receive(UpstreamData(…))       -> data for the client, or nothing yet
    receive(UpstreamEnd())         -> what is left, and End
    receive(UpstreamFailed(…))     -> an error answer, or Cut where bytes went out already
    receive(Waited())              -> what keeps the client waiting; asked for after `patience` seconds of silence

Any of these may give Send where a rule sends the request again: what the upstream was saying is then of no more
interest. `relaying` is true once every further byte of the upstream's answer goes to the client as it comes: a driver
may then copy data without asking. A head always precedes data; End or Cut comes once and last.

What becomes of an answer: one that response rules want to read is collected and given out whole (`_finish`). A stream
passes as it comes (`relaying`), or through the event rules (`streaming`); where failure rules may act, its beginning
is held first until it shows that it is one (`holding`). A faked stream is made of a whole answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ruleproxy.engine.collecting import collect
from ruleproxy.engine.context import Answer, Decisions, Failure, RunContext
from ruleproxy.engine.events import (
    Action,
    Cut,
    Data,
    End,
    Event,
    Head,
    Send,
    UpstreamData,
    UpstreamEnd,
    UpstreamFailed,
    UpstreamHead,
    Waited,
)
from ruleproxy.engine.faking import FakingError, StreamFaker
from ruleproxy.engine.holding import HELD_SECONDS, StreamStart
from ruleproxy.engine.replying import end_stream, is_encoded, is_event_stream, reply, reply_error, with_length
from ruleproxy.engine.ruleset import Ruleset
from ruleproxy.engine.running import Outcome, RequiredRuleFailed
from ruleproxy.engine.sides import Sides
from ruleproxy.engine.streaming import StreamRules, stream_headers
from ruleproxy.messages.edited import EditedResponse
from ruleproxy.messages.message import Headers, Request, Response
from ruleproxy.messages.upstreams import Upstream
from ruleproxy.messages.values import EditRefused
from ruleproxy.wire.formats import error_type


@dataclass(frozen=True, slots=True)
class Limits:
    """What one exchange may hold in memory."""

    answer: int = 64 * 1024 * 1024
    """Bytes of an answer that rules or a faked stream need whole."""


_NO_BODY = frozenset({204, 304})


class Exchange:
    """One request through one ruleset, from the client's bytes to the client's answer. See the module's text.

    `relaying`, `patience`, `acted` (names of the rules that changed something, in order, each once) and `remarks` are
    read by the driver; `sides` has what rules did, and with what.
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
        self.sides = Sides(ruleset, request, upstreams, detailed=detailed, observe=observe)
        self._limits = limits or Limits()
        self._remarks: tuple[str, ...] = ()
        self._faker: StreamFaker | None = None
        self._ping_every: float | None = None
        self._collecting = False
        self._holding: StreamStart | None = None
        self._streaming: StreamRules | None = None
        self._head: UpstreamHead | None = None
        self._held: list[bytes] = []
        self._held_size = 0

    @property
    def sent(self) -> Send | None:
        """The last request that went upstream."""
        sends = self.sides.attempts.sends
        return sends[-1] if sends else None

    @property
    def contexts(self) -> dict[str, RunContext]:
        """The messages that the rules of a side worked on last, by side."""
        return self.sides.contexts

    @property
    def notes(self) -> tuple[str, ...]:
        """What rules noted."""
        return self.sides.notes

    @property
    def reused(self) -> int:
        """How many bytes of the client's body went out as they came."""
        return self.sides.reused

    @property
    def outcomes(self) -> dict[str, list[Outcome]]:
        """What every rule did, by side, in order: once for each time that its side ran."""
        found: dict[str, list[Outcome]] = {}
        for run in self.sides.passes:
            found.setdefault(run.side, []).extend(run.outcomes)
        return found

    @property
    def acted(self) -> Sequence[str]:
        """Names of the rules that changed something, in order, each once."""
        names = (o.rule.name for run in self.sides.passes for o in run.outcomes if o.verdict == "changed")
        return tuple(dict.fromkeys(names))

    @property
    def remarks(self) -> Sequence[str]:
        """What else there is to say of it in one log line: failed rules, an unread body, retries, notes of rules."""
        outcomes = (o for run in self.sides.passes for o in run.outcomes)
        failed = dict.fromkeys(f"failed: {o.rule.name}" for o in outcomes if o.verdict == "failed")
        retries = self.sides.attempts.retries
        retried = (f"retries {retries}",) if retries else ()
        return (*failed, *self._remarks, *retried, *self.notes)

    def begin(self) -> Sequence[Action]:
        """Run the request rules and ask the upstream, or answer."""
        try:
            decisions = self.sides.run_request()
        except RequiredRuleFailed as failed:
            return self._fail(502, "api_error", str(failed))
        problem = self.sides.edited.body.problem
        if problem is not None:
            self._remarks = (f"body {problem}",)
        if decisions.answer is not None:
            return self._answer(decisions.answer)
        return self._send(decisions)

    def _send(self, decisions: Decisions) -> Sequence[Action]:
        if decisions.faked is not None:
            self._faker = StreamFaker(self.sides.remove_stream_flag())
            self._ping_every = decisions.faked.ping_every
        self._collecting = self._collecting or decisions.collected
        self.patience = self._ping_every
        self._head = self._holding = self._streaming = None
        self._held.clear()
        self._held_size = 0
        return (self.sides.send(uncompressed=self._faker is not None or self._collecting),)

    def receive(self, event: Event) -> Sequence[Action]:
        """What follows an event."""
        match event:
            case UpstreamHead():
                return self._receive_head(event)
            case UpstreamData(data):
                return self._receive_data(data)
            case UpstreamEnd():
                return self._receive_end()
            case UpstreamFailed(kind, message):
                return self._receive_failure(kind, message)
            case Waited():
                return self._keep_waiting()

    def _receive_head(self, head: UpstreamHead) -> Sequence[Action]:
        streamed = is_event_stream(head.headers)
        bodiless = self.request.method == "HEAD" or head.status in _NO_BODY
        self._head = came = head
        if (self._collecting and streamed) or (self._faker is not None and not streamed):
            return ()
        # A faked stream's upstream that streams after all: what came counts, not what was asked for.
        if self.sides.rules("response"):
            if not streamed and not bodiless:
                return ()
            response = self._run_response(Response(head.status, head.headers, b""), streamed=streamed)
            if not isinstance(response, EditedResponse):
                return response
            self._head = head = UpstreamHead(response.status, response.headers.lines)
        return self._begin_stream(head, came) if streamed and not bodiless else self._open()

    def _begin_stream(self, head: UpstreamHead, came: UpstreamHead) -> Sequence[Action]:
        read, failing = self.sides.rules("event"), self.sides.rules("failure")
        if (read or failing) and is_encoded(head.headers):
            self._remarks += ("stream is compressed: its events were not read",)
            return self._open()
        if read:
            self._streaming = self.sides.open_stream(Response(came.status, came.headers, b""))
            self._head = UpstreamHead(head.status, stream_headers(head.headers))
        if failing and not self.sides.begun:
            self._holding = StreamStart()
            self.patience = HELD_SECONDS
            return ()
        return self._open()

    def _open(self, held: bytes = b"") -> Sequence[Action]:
        """Pass the answer on from here, first of all what was held of it."""
        assert self._head is not None
        self._holding = self.patience = None
        self.relaying = self._streaming is None
        begun = self._begin_answer(self._head.status, self._head.headers)
        return (*begun, *self._pass_on(held))

    def _begin_answer(self, status: int, headers: Headers) -> Sequence[Action]:
        if self.sides.begun:
            return ()
        self.sides.begun = True
        return (Head(status, self.sides.attempts.mark(headers)),)

    def _pass_on(self, data: bytes, *, last: bool = False) -> Sequence[Action]:
        """Data of a stream, through the event rules; `last` ends it."""
        streaming = self._streaming
        if streaming is None:
            return (*((Data(data),) if data else ()), *((End(),) if last else ()))
        out = streaming.feed(data)
        if last and streaming.problem is None:
            out += streaming.finish()
        passed = (Data(out),) if out else ()
        if streaming.problem is None and not last:
            return passed
        self._close_stream()
        if isinstance(streaming.problem, RequiredRuleFailed):
            return (*passed, *end_stream(self.sides.context.api, "api_error", str(streaming.problem)))
        if streaming.problem is not None:
            self._remarks += (str(streaming.problem),)
            return (*passed, Cut())
        return (*passed, End())

    def _close_stream(self) -> None:
        if self._streaming is not None:
            self.sides.close_stream(self._streaming)
            self._streaming = None

    def _receive_data(self, data: bytes) -> Sequence[Action]:
        if self._holding is not None:
            found = self._holding.feed(data)
            if found is False:
                return ()
            actions = self._run_failure(found) if isinstance(found, Failure) else None
            return self._open(self._holding.held) if actions is None else actions
        if self.relaying or self._streaming is not None:
            return self._pass_on(data)
        self._held.append(data)
        self._held_size += len(data)
        if self._held_size <= self._limits.answer:
            return ()
        return self._fail(502, "api_error", f"the upstream's answer is larger than {self._limits.answer} bytes")

    def _receive_end(self) -> Sequence[Action]:
        if self._holding is not None:
            held = self._holding.held
            failure = self._holding.finish()
            actions = None if failure is None else self._run_failure(failure)
            return (*self._open(), *self._pass_on(held, last=True)) if actions is None else actions
        if self.relaying or self._streaming is not None:
            return self._pass_on(b"", last=True)
        return self._finish()

    def _finish(self) -> Sequence[Action]:
        assert self._head is not None
        response = Response(self._head.status, self._head.headers, b"".join(self._held))
        self._held.clear()
        if self._collecting and is_event_stream(response.headers):
            try:
                response = collect(response)
            except FakingError as error:
                return self._fail(error.status, error.kind, str(error))
        if self.sides.rules("response"):
            edited = self._run_response(response, streamed=False)
            if not isinstance(edited, EditedResponse):
                return edited
            body, _ = edited.body.to_bytes()
            lines = edited.headers.lines if body == response.body else with_length(edited.headers.lines, len(body))
            response = Response(edited.status, lines, body)
        if self._faker is not None:
            return self._finish_faked(self._faker, response)
        return (*self._begin_answer(response.status, response.headers), Data(response.body), End())

    def _finish_faked(self, faker: StreamFaker, response: Response) -> Sequence[Action]:
        if not 200 <= response.status < 300:
            if self.sides.begun:
                return end_stream(self.sides.context.api, *faker.read_error(response))
            return (*self._begin_answer(response.status, response.headers), Data(response.body), End())
        try:
            data = b"".join(faker.events(response))
        except FakingError as error:
            return self._fail(error.status, error.kind, str(error))
        # Event rules do not see these events: response rules saw the whole body.
        return (*self._begin_answer(response.status, faker.stream_headers(response.headers)), Data(data), End())

    def _run_response(self, response: Response, *, streamed: bool) -> EditedResponse | Sequence[Action]:
        try:
            edited, decisions = self.sides.run_response(response, streamed=streamed)
        except RequiredRuleFailed as failed:
            return self._fail(502, "api_error", str(failed))
        actions = self._carry_out(decisions)
        return edited if actions is None else actions

    def _run_failure(self, failure: Failure) -> Sequence[Action] | None:
        """What failure rules make of it; None where they make nothing of it, or where the answer has begun."""
        if self.sides.begun or not self.sides.rules("failure"):
            return None
        try:
            return self._carry_out(self.sides.run_failure(failure))
        except RequiredRuleFailed as failed:
            return self._fail(502, "api_error", str(failed))

    def _carry_out(self, decisions: Decisions) -> Sequence[Action] | None:
        if decisions.answer is not None:
            return self._answer(decisions.answer)
        return self._send(decisions) if decisions.retried else None

    def _receive_failure(self, kind: str, message: str) -> Sequence[Action]:
        if self.relaying or (self._streaming is not None and self._holding is None):
            self._close_stream()
            return (Cut(),)
        status = 504 if kind == "timeout" else 502
        error = {"type": error_type(status), "message": message, "status": status}
        actions = self._run_failure(Failure(kind, error))
        return self._fail(status, error_type(status), message) if actions is None else actions

    def _keep_waiting(self) -> Sequence[Action]:
        if self._holding is not None:
            return self._open(self._holding.held)
        if self._faker is None or self.relaying or self._streaming is not None:
            return ()
        return (*self._begin_answer(200, self._faker.stream_headers([])), Data(self._faker.ping))

    def _answer(self, answer: Answer) -> Sequence[Action]:
        if self.sides.begun:
            # A faked stream that has begun: what a rule answers can only be an event of it.
            return self._fail(answer.status, error_type(answer.status), f"a rule answered {answer.status}")
        try:
            return self._end_with(reply(answer, head_only=self.request.method == "HEAD"))
        except EditRefused as refused:
            return self._fail(502, "api_error", f"a rule's answer cannot be sent: {refused}")

    def _fail(self, status: int, kind: str, message: str) -> Sequence[Action]:
        api = self.sides.context.api
        if self.sides.begun:
            # The 200 is out: only an event can tell of it now.
            return end_stream(api, kind, message) if self._faker is not None else (Cut(),)
        return self._end_with(reply_error(api, status, kind, message))

    def _end_with(self, actions: Sequence[Action]) -> Sequence[Action]:
        """An answer made here, in place of the upstream's."""
        head, *rest = actions
        assert isinstance(head, Head)
        self.relaying = False
        return (*self._begin_answer(head.status, head.headers), *rest)
