"""The client's side of an exchange: what it is given, in the framing that it reads, with its head once and first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ruleproxy.engine.context import Answer
from ruleproxy.engine.events import Action, Cut, Data, End, Head, UpstreamHead
from ruleproxy.engine.faking import PART, MadeStream
from ruleproxy.engine.replying import Client, end_stream, reply, reply_error
from ruleproxy.engine.running import RequiredRuleFailed
from ruleproxy.engine.sides import Sides
from ruleproxy.engine.streaming import StreamPipeline, open_pipeline
from ruleproxy.messages.message import Headers, Response
from ruleproxy.messages.values import EditRefused
from ruleproxy.wire.events import BadStreamError
from ruleproxy.wire.formats import error_type
from ruleproxy.wire.framing import Framing


class Outlet:
    """Makes the actions that answer one client.

    `relaying`: every further byte of the upstream's answer goes on as it comes. `makes_stream`: a stream is made here
    of a whole answer, so what fails after its head went out can still be told as its last event. `repairs`: a stream
    that passes is repaired.
    """

    def __init__(self, client: Client, sides: Sides) -> None:
        self.relaying = False
        self.makes_stream = False
        self.repairs = False
        self._client = client
        self._sides = sides
        self._pipeline: StreamPipeline | None = None
        self._parts: Iterator[bytes] | None = None
        self._framing = client.own_framing

    @property
    def passing(self) -> bool:
        """Whether the upstream's answer goes on as it comes or through a pipeline."""
        return self.relaying or self._pipeline is not None

    @property
    def patience(self) -> float | None:
        """Seconds of silence after which the answer that passes is to be ended; None: however long it takes."""
        return None if self._pipeline is None else self._pipeline.patience

    def begin(self, status: int, headers: Headers) -> Sequence[Action]:
        """The head of the answer, unless it has begun."""
        if self._sides.begun:
            return ()
        self._sides.begun = True
        return (Head(status, self._sides.attempts.mark(headers)),)

    def open(self, head: UpstreamHead, came: UpstreamHead, framing: Framing | None) -> Sequence[Action]:
        """Begin to pass an answer on: `head` of the answer that `came`, a stream of this framing if it is one."""
        headers = head.headers
        if framing is not None:
            self._framing = self._client.reads(framing)
            answer = Response(came.status, came.headers, b"")
            try:
                opened = open_pipeline(self._sides, self._client, framing, answer, headers, repair=self.repairs)
            except BadStreamError as error:
                return self.fail(502, "api_error", str(error))
            self._pipeline, headers = opened
        self.relaying = self._pipeline is None
        return self.begin(head.status, headers)

    def pass_on(self, data: bytes, *, last: bool = False, broken: str | None = None) -> Sequence[Action]:
        """Data of an answer that was opened; `last` ends it, and `broken` says why if it is no end of its own."""
        pipeline = self._pipeline
        if pipeline is None:
            return (*((Data(data),) if data else ()), *((End(),) if last else ()))
        out = pipeline.feed(data)
        if last and pipeline.problem is None:
            out += pipeline.finish(broken)
        passed = (Data(out),) if out else ()
        if pipeline.problem is None:
            if not last and not pipeline.exhausted:
                return passed
            self._close()
            return (*passed, End())
        self._close()
        if not isinstance(pipeline.problem, RequiredRuleFailed):
            self._sides.remark(str(pipeline.problem))
        return (*passed, *end_stream(self._client, self._framing, "api_error", str(pipeline.problem)))

    def cut(self, message: str) -> Sequence[Action]:
        """End an answer that cannot be completed, so that it shows; a repaired stream is completed, or says so."""
        if self._pipeline is not None and self._pipeline.repairer is not None:
            return self.pass_on(b"", last=True, broken=message)
        self._close()
        self._sides.remark(message)
        return (Cut(),)

    @property
    def unread(self) -> bool:
        """Whether there is more of a made stream than was given out so far."""
        return self._parts is not None

    def give_stream(self, made: MadeStream) -> Sequence[Action]:
        """A stream that is made here, or the beginning of it: what follows is given by `give_on`."""
        self._parts = made.parts
        return (*self.begin(made.status, made.headers), *self.give_on())

    def give_on(self) -> Sequence[Action]:
        """The next part of a made stream, or its end."""
        assert self._parts is not None, "there is nothing more to be given"
        part = next(self._parts, b"")
        if len(part) >= PART:
            return (Data(part),)
        self._parts = None
        return (*((Data(part),) if part else ()), End())

    def give(self, response: Response) -> Sequence[Action]:
        """A whole answer."""
        return (*self.begin(response.status, response.headers), Data(response.body), End())

    def answer(self, answer: Answer) -> Sequence[Action]:
        """What a rule answers with."""
        if self._sides.begun:
            # A made stream that has begun: what a rule answers can only be an event of it.
            return self.fail(answer.status, error_type(answer.status), f"a rule answered {answer.status}")
        try:
            return self._end_with(reply(self._client, answer))
        except EditRefused as refused:
            return self.fail(502, "api_error", f"a rule's answer cannot be sent: {refused}")

    def fail(self, status: int, kind: str, message: str) -> Sequence[Action]:
        """An error in the client's own shape; `kind` is an Anthropic error type. The log has its message, too."""
        if self._sides.begun and not self.makes_stream:
            return self.cut(message)
        self._sides.remark(message)
        return self._tell(status, kind, message)

    def refuse(self, failed: RequiredRuleFailed) -> Sequence[Action]:
        """The error that a required rule is; the log has why it failed as it has it of any rule."""
        if self._sides.begun and not self.makes_stream:
            return self.cut(str(failed))
        return self._tell(502, "api_error", str(failed))

    def _tell(self, status: int, kind: str, message: str) -> Sequence[Action]:
        if not self._sides.begun:
            return self._end_with(reply_error(self._client, status, kind, message))
        # The 200 is out: only an event can tell of it now.
        return end_stream(self._client, self._framing, kind, message)

    def _end_with(self, actions: Sequence[Action]) -> Sequence[Action]:
        head, *rest = actions
        assert isinstance(head, Head)
        self.relaying = False
        return (*self.begin(head.status, head.headers), *rest)

    def _close(self) -> None:
        if self._pipeline is not None:
            if self._pipeline.rules is not None:
                self._sides.close_stream(self._pipeline.rules)
            if self._pipeline.repairer is not None:
                self._sides.repairs = self._pipeline.repairer.repairs.counts
        self._pipeline = None
