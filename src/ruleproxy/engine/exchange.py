"""One request and its answer as a state machine without I/O.

The driver (sockets in `ruleproxy.proxy`, a script in `ruleproxy test`) feeds what happened and carries out what
comes back, in order:

    begin()                        -> Send, or an answer of our own (Head, Data, End)
    receive(UpstreamHead(…))       -> the head for the client, or nothing yet
    receive(UpstreamData(…))       -> data for the client, or nothing yet
    receive(UpstreamEnd())         -> what is left, and End
    receive(UpstreamFailed(…))     -> an error answer, or Cut where bytes went out already
    receive(Waited())              -> what keeps the client waiting; asked for after `patience` seconds of silence
    receive(ReadOn())              -> what follows from more of what came; to be said before anything else as long as
                                      `unread` is true, but others may have their turn

Any of these may give Send where a rule sends the request again: what the upstream was saying is then of no more
interest. `relaying` is true once every further byte of the upstream's answer goes to the client as it comes: a driver
may then copy data without asking. A head always precedes data; End or Cut comes once and last.

What becomes of an answer shows in its first bytes, which are held (`arriving`) where anybody wants to know. One that
response rules want to read, a faked or a collected stream's, is gathered and given out whole (`_finish`). A stream
passes as it comes (`relaying`), or through a pipeline (`outlet`, `streaming`) where events have rules or the client
reads another framing; where failure rules may act, its beginning is held first until it shows that it is one
(`holding`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ruleproxy.engine.arriving import Arrival, Gathering, Kind, Limits, is_document
from ruleproxy.engine.collecting import StreamCollector
from ruleproxy.engine.context import Decisions, Failure
from ruleproxy.engine.events import (
    Action,
    CredentialRenewed,
    Data,
    Event,
    ReadOn,
    UpstreamData,
    UpstreamEnd,
    UpstreamFailed,
    UpstreamHead,
    Waited,
    is_over,
)
from ruleproxy.engine.faking import FakingError, MadeStream, StreamFaker
from ruleproxy.engine.findings import Findings
from ruleproxy.engine.holding import HELD_SECONDS, StreamStart, empty_stream
from ruleproxy.engine.learning import LearnedRules
from ruleproxy.engine.outlet import Outlet
from ruleproxy.engine.repairing import StreamMaker
from ruleproxy.engine.replying import Client, is_encoded, with_length
from ruleproxy.engine.ruleset import Ruleset
from ruleproxy.engine.running import Outcome, RequiredRuleFailed
from ruleproxy.engine.sides import Sides
from ruleproxy.engine.stepping import Stepping
from ruleproxy.engine.unpacking import InflatesTooMuch, Unpacking, unpack_with
from ruleproxy.language.signatures import Side
from ruleproxy.messages.edited import EditedResponse
from ruleproxy.messages.message import Request, Response
from ruleproxy.messages.upstreams import Upstream
from ruleproxy.wire.formats import error_type
from ruleproxy.wire.framing import Framing, claimed_framing

_ANSWER_SIDES: Sequence[Side] = ("response", "event", "failure")
_NO_BODY = frozenset({204, 304})
_NO_HEAD = UpstreamHead(0, [])


class Exchange(Findings):
    """One request through one ruleset, from the client's bytes to the client's answer. See the module's text.

    `relaying` and `patience` are read by the driver.
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
        learned: LearnedRules | None = None,
    ) -> None:
        limits = limits or Limits()
        unpack = unpack_with(limits.decoded)
        sides = Sides(ruleset, request, upstreams, detailed=detailed, observe=observe, learned=learned, unpack=unpack)
        super().__init__(ruleset, sides)
        self.request = request
        self.patience: float | None = None
        self._limits = limits
        self._reading: Unpacking | Stepping = Stepping()
        self._client = Client.of(request)
        self._outlet = Outlet(self._client, sides)
        self._faker: StreamFaker | None = None
        self._ping_every: float | None = None
        self._collecting = False
        self._came = self._head = _NO_HEAD
        self._framing: Framing | None = None
        self._phase: Arrival | StreamStart | Gathering | StreamCollector | None = None

    @property
    def relaying(self) -> bool:
        """Whether every further byte of the upstream's answer goes to the client as it comes."""
        return self.passes and self._reading.left

    @property
    def passes(self) -> bool:
        """Whether every further byte of the answer, once it is open, goes to the client as it is."""
        return self._outlet.relaying

    @property
    def gathers(self) -> bool:
        """Whether the answer is kept as it is until it is complete."""
        return isinstance(self._phase, Gathering)

    def begin(self) -> Sequence[Action]:
        """Run the request rules and ask the upstream, or answer."""
        try:
            decisions = self.sides.run_request()
        except RequiredRuleFailed as failed:
            return self._outlet.refuse(failed)
        body = self.sides.edited.body
        if isinstance(body.refusal, InflatesTooMuch):
            return self._outlet.fail(413, error_type(413), f"the request's body: {body.refusal}")
        if body.problem is not None:
            self.sides.remark(f"body {body.problem}")
        if decisions.answer is not None:
            return self._outlet.answer(decisions.answer)
        return self._send(decisions)

    def _send(self, decisions: Decisions) -> Sequence[Action]:
        if decisions.faked is not None:
            self.sides.ask_whole()
            self._faker = StreamFaker(self._client, self.sides.context.original.request)
            self._outlet.makes_stream = True
            self._ping_every = decisions.faked.ping_every
        self._collecting = self._collecting or decisions.collected
        self._outlet.repairs = self._outlet.repairs or decisions.repaired
        self._await_answer()
        return (self.sides.send(uncompressed=self._converts),)

    def _send_again(self) -> Sequence[Action]:
        self._await_answer()
        return (self.sides.send_again(),)

    def _await_answer(self) -> None:
        self.patience = self._ping_every
        self._came = self._head = _NO_HEAD
        self._framing = self._phase = None

    @property
    def _converts(self) -> bool:
        """Whether the client's answer has to be made of another kind of answer, without any rule."""
        asked, read = self.sides.outgoing_framing, self._client.framing
        made = self._faker is not None or self._collecting or self._outlet.repairs
        return made or (asked or read) is not (read or asked)

    def receive(self, event: Event) -> Sequence[Action]:
        """What follows an event."""
        if isinstance(event, UpstreamHead):
            unpacking = Unpacking.of(event, self._limits.decoded) if self._reads(event) else None
            self._reading = unpacking or Stepping()
        if isinstance(event, ReadOn) and self._outlet.unread:
            return self._outlet.give_on()
        return self._reading.receive(event, self)

    @property
    def unread(self) -> bool:
        """Whether there is more in what came than was read so far."""
        return self._reading.unread or self._outlet.unread

    def _reads(self, head: UpstreamHead) -> bool:
        """Whether anything looks into the body of an answer."""
        if self._is_bodiless(head):
            return False
        claimed = claimed_framing(head.headers)
        foreign = claimed is not None and self._client.reads(claimed) is not claimed
        return foreign or self._converts or any(map(self.sides.rules, _ANSWER_SIDES))

    def take(self, event: Event) -> Sequence[Action]:
        """What follows an event of an answer that is open."""
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
            case CredentialRenewed():
                return self._send_again()
            case ReadOn():
                return ()  # of an answer that is open all that came was read

    def _receive_head(self, head: UpstreamHead) -> Sequence[Action]:
        self._came = self._head = head
        arrival = Arrival(head.headers)
        streams = 200 <= head.status < 300 and not self._is_bodiless(head)
        if not streams or is_encoded(head.headers):
            return self._settle(arrival.believed if streams else "whole", bodiless=self._is_bodiless(head))
        if not self._reads(head):
            return self._open()
        self._phase = arrival
        if self._faker is None and arrival.claimed is not None:
            self.patience = HELD_SECONDS
        return ()

    def _is_bodiless(self, head: UpstreamHead) -> bool:
        return self.request.method == "HEAD" or head.status in _NO_BODY

    def _settle(self, kind: Kind, held: bytes = b"", *, bodiless: bool = False) -> Sequence[Action]:
        """Go on with an answer now that it is known what it is; `held` came of it so far."""
        self._phase = None
        self._framing = None if kind == "whole" else kind
        ruled = bool(self.sides.rules("response"))
        if self._faker is None:
            self.patience = None
        read = (ruled or self._outlet.repairs) and not bodiless
        if kind != "whole" and self._collecting:
            self._phase = StreamCollector(self._came.headers, kind, self._client)
        elif kind == "whole" and (self._faker is not None or read):
            self._phase = Gathering()
        elif kind == "whole" and self.sides.rules("failure") and not bodiless and is_document(self._came.headers):
            # Its client can do nothing with a part of it, and failure rules may do better.
            self._phase = Gathering(needed=False)
        if self._phase is not None:
            return self._receive_data(held) if held else ()
        if ruled:
            response = self._run_response(
                Response(self._came.status, self._came.headers, b""), streamed=kind != "whole"
            )
            if not isinstance(response, EditedResponse):
                return response
            self._head = UpstreamHead(response.status, response.headers.lines)
        return self._open(held) if kind == "whole" else self._begin_stream(kind, held)

    def _begin_stream(self, framing: Framing, held: bytes) -> Sequence[Action]:
        read, failing = self.sides.rules("event"), self.sides.rules("failure")
        encoded = is_encoded(self._came.headers)
        if encoded and not self._outlet.repairs and self._client.reads(framing) is framing:
            if read or failing:
                self.sides.remark("stream is compressed: its events were not read")
            self._framing = None
        elif (failing or self.sides.learning.waits) and not self.sides.begun and not encoded:
            self._phase = StreamStart(framing)
            self.patience = HELD_SECONDS
            return self._receive_data(held) if held else ()
        return self._open(held)

    def _open(self, held: bytes = b"", *, sound: bool = True) -> Sequence[Action]:
        """Pass the answer on from here, first of all what was held of it; `sound` unless that shows an error."""
        if sound and self._head.status == self._came.status:
            self.sides.judge(Response(self._came.status, self._came.headers, b""), whole=False)
        self._phase = None
        actions = self._outlet.open(self._head, self._came, self._framing)
        return actions if is_over(actions) else (*actions, *self._pass_on(held))

    def _pass_on(self, data: bytes) -> Sequence[Action]:
        actions = self._outlet.pass_on(data)
        self.patience = self._outlet.patience
        return actions

    def _receive_data(self, data: bytes) -> Sequence[Action]:
        match self._phase:
            case Arrival() as arrival:
                kind = arrival.feed(data)
                return () if kind is None else self._settle(kind, arrival.held)
            case StreamStart() as start:
                found = start.feed(data)
                if found is False:
                    return ()
                actions = self._run_failure(found) if isinstance(found, Failure) else None
                return self._open(start.held, sound=found is True) if actions is None else actions
            case Gathering() as gathering:
                gathering.feed(data)
                if gathering.size <= self._limits.answer:
                    return ()
                if not gathering.needed:
                    return self._open(b"".join(gathering.pieces))
                return self._refuse_large()
            case StreamCollector() as collector:
                failure = collector.feed(data)
                if failure is not None:
                    return self._fail_with(failure)
                return () if collector.size <= self._limits.answer else self._refuse_large()
        return self._pass_on(data)

    def _refuse_large(self) -> Sequence[Action]:
        return self._outlet.fail(502, "api_error", f"the upstream's answer is larger than {self._limits.answer} bytes")

    def _receive_end(self) -> Sequence[Action]:
        match self._phase:
            case Arrival() as arrival:
                return self._receive_little(arrival)
            case StreamStart() as start:
                failure = start.finish()
                actions = None if failure is None else self._run_failure(failure)
                if actions is not None:
                    return actions
                return (*self._open(start.held, sound=failure is None), *self._outlet.pass_on(b"", last=True))
            case Gathering() as gathering:
                return self._finish(Response(self._came.status, self._came.headers, b"".join(gathering.pieces)))
            case StreamCollector() as collector:
                collected = collector.finish(self._came.status, self._came.headers)
                return self._fail_with(collected) if isinstance(collected, Failure) else self._finish(collected)
        return self._outlet.pass_on(b"", last=True)

    def _receive_little(self, arrival: Arrival) -> Sequence[Action]:
        """An answer that ended before it showed what it is: it has no byte, or hardly one."""
        if not arrival.held.strip() and self._faker is None and (self._collecting or self.sides.wanted_stream):
            actions = self._run_failure(empty_stream())
            if actions is not None:
                return actions
        actions = self._settle(arrival.believed if arrival.held else "whole", arrival.held)
        return actions if is_over(actions) else (*actions, *self._receive_end())

    def _finish(self, response: Response) -> Sequence[Action]:
        came = response
        if self.sides.rules("response"):
            edited = self._run_response(response, streamed=False)
            if not isinstance(edited, EditedResponse):
                return edited
            body, _ = edited.body.to_bytes()
            lines = edited.headers.lines if body == response.body else with_length(edited.headers.lines, len(body))
            response = Response(edited.status, lines, body)
        if response.status == came.status:
            self.sides.judge(came)
        maker = StreamMaker(self._client, self.sides.context) if self._outlet.repairs else None
        faker = self._faker or maker
        if faker is not None:
            # Event rules do not see these events: response rules saw the whole body.
            try:
                made = faker.answer(response, begun=self.sides.begun)
            except FakingError as error:
                return self._outlet.fail(error.status, error.kind, str(error))
            if isinstance(made, MadeStream):
                self.sides.repairs = {"a whole answer": 1} if faker is maker else self.sides.repairs
                return self._outlet.give_stream(made)
        return self._outlet.give(response)

    def _run_response(self, response: Response, *, streamed: bool) -> EditedResponse | Sequence[Action]:
        try:
            edited, decisions = self.sides.run_response(response, streamed=streamed)
        except RequiredRuleFailed as failed:
            return self._outlet.refuse(failed)
        self._outlet.repairs = self._outlet.repairs or decisions.repaired
        actions = self._carry_out(decisions)
        return edited if actions is None else actions

    def _run_failure(self, failure: Failure) -> Sequence[Action] | None:
        """What failure rules make of it; None where they make nothing of it, or where the answer has begun."""
        if self.sides.begun or not self.sides.rules("failure"):
            return None
        try:
            return self._carry_out(self.sides.run_failure(failure))
        except RequiredRuleFailed as failed:
            return self._outlet.refuse(failed)

    def _fail_with(self, failure: Failure) -> Sequence[Action]:
        """What failure rules make of it, else the error that it is."""
        actions, error = self._run_failure(failure), failure.error
        return self._outlet.fail(error["status"], error["type"], error["message"]) if actions is None else actions

    def _carry_out(self, decisions: Decisions) -> Sequence[Action] | None:
        if decisions.answer is not None:
            return self._outlet.answer(decisions.answer)
        return self._send(decisions) if decisions.retried else None

    def _receive_failure(self, kind: str, message: str) -> Sequence[Action]:
        if self._outlet.passing:
            return self._outlet.cut(message)
        status = 504 if kind == "timeout" else 502
        error = {"type": error_type(status), "message": message, "status": status}
        return self._fail_with(Failure(kind, error))

    def _keep_waiting(self) -> Sequence[Action]:
        match self._phase:
            case StreamStart() as start:
                return self._open(start.held, sound=False)
            case Arrival() as arrival if self._faker is None:
                actions = self._settle(arrival.believed, arrival.held)
                begun = self._phase
                return self._open(begun.held, sound=False) if isinstance(begun, StreamStart) else actions
        if self._outlet.patience is not None:
            return self._outlet.pass_on(b"", last=True)
        if self._faker is None or self._outlet.passing:
            return ()
        return (*self._outlet.begin(200, self._faker.headers([])), Data(self._faker.ping))
