"""One run of the rules of a side over one message: the roots that rules name, and what their verbs decided."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from ruleproxy.engine.asking import ask_stream, ask_whole, wants_stream
from ruleproxy.language.checking.lessons import Lesson
from ruleproxy.language.signatures import Side
from ruleproxy.messages.body import Unpack
from ruleproxy.messages.edited import EditedRequest, EditedResponse
from ruleproxy.messages.event import EditedEvent
from ruleproxy.messages.journal import Journal
from ruleproxy.messages.message import Request, Response
from ruleproxy.messages.upstreams import Upstream
from ruleproxy.messages.values import NIL, EditRefused, Nil, Value
from ruleproxy.wire.formats import Api, api_of
from ruleproxy.wire.repair_stream_formats import REPAIRERS

STEP_BUDGET = 200_000
"""How much one side of one message may cost, in elements visited and edits made."""

MOST_EMITTED = 16
"""Events that rules may put beside one event."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What `respond` answers with; `body` is NIL for none."""

    status: int
    headers: dict[str, Any]
    body: Value


@dataclass(frozen=True, slots=True)
class FakedStream:
    """What `fake_stream` was told: `ping_every` in seconds, or None for silence."""

    ping_every: float | None


@dataclass(frozen=True, slots=True)
class Emitted:
    """An event that a rule puts beside the one at hand, ready for the wire."""

    side: Literal["before", "after"]
    type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Recorded:
    """A statement that ran in a rule that learns, with what fills its gaps: values, or why there are none."""

    lesson: Lesson
    values: tuple[Value, ...] | str


@dataclass(frozen=True, slots=True)
class Recording:
    """One run of a rule that learns: its name, its `file:line`, and its statements in order."""

    rule: str
    place: str
    statements: tuple[Recorded, ...]


@dataclass(frozen=True, slots=True)
class Decisions:
    """What rules have decided so far, beside their edits. A value, so that a failed rule's decisions can be undone."""

    stopped: bool = False
    answer: Answer | None = None
    faked: FakedStream | None = None
    notes: tuple[str, ...] = ()
    retried: bool = False
    dropped: bool = False
    collected: bool = False
    repaired: bool = False
    emitted: tuple[Emitted, ...] = ()
    learns: bool = False
    recorded: tuple[Recorded, ...] = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """Why nothing usable came: `kind` as rules name it, `error` with `type`, `message` and `status`."""

    kind: str
    error: dict[str, Any]


@dataclass(slots=True)
class StreamState:
    """What went by of a stream, as it came, the event at hand included."""

    stop_reason: str | Nil = NIL
    saw_tool_use: bool = False
    events: int = 0


def never_again() -> str:
    """Why a request is not sent again where nothing can be."""
    return "nothing can be sent again here"


class RunContext:
    """See `ruleproxy.verbs.context.Context` for what verbs ask of it.

    `journal` has the edits of the side's own message, `request_journal` those of the request (on the request side it
    is the same one). `refuse_retry` says why the request as it is now is not sent again, None where it is.
    `recording` is what a rule that learns did; `wanted_more`: one that learns edited the request, which was not sent.
    """

    __slots__ = (
        "_original",
        "_sent",
        "api",
        "decisions",
        "declared",
        "event",
        "failure",
        "journal",
        "recording",
        "refuse_retry",
        "remarks",
        "request",
        "request_journal",
        "response",
        "side",
        "steps",
        "stream",
        "wanted_more",
    )

    def __init__(
        self,
        sent: Request,
        request: EditedRequest,
        declared: tuple[Upstream, ...],
        journal: Journal,
        response: EditedResponse | None = None,
        *,
        side: Side = "request",
        request_journal: Journal | None = None,
        refuse_retry: Callable[[], str | None] = never_again,
        failure: Failure | None = None,
    ) -> None:
        self.side = side
        self.request_journal = request_journal or journal
        self.refuse_retry = refuse_retry
        self.failure = failure
        self.event: EditedEvent | None = None
        self.stream = StreamState()
        self._sent = sent
        self._original: OriginalMessages | None = None
        self.request = request
        self.response = response
        self.declared = declared
        self.journal = journal
        self.api: Api = api_of(sent.raw_path.decode("latin-1"))
        self.decisions = Decisions()
        self.recording: Recording | None = None
        self.wanted_more = False
        self.remarks: list[str] = []
        self.steps = 0

    @property
    def sent(self) -> Request:
        """What the client sent, as it came."""
        return self._sent

    @property
    def original(self) -> OriginalMessages:
        """What the client really sent, and what really came back."""
        if self._original is None:
            self._original = OriginalMessages(self._sent, self.declared, self.request.unpack)
        return self._original

    def keep_original(self, other: RunContext) -> None:
        """Share the originals of another side of the same exchange."""
        self._original = other.original

    def begin_event(self, event: EditedEvent, journal: Journal) -> None:
        """Take up the next event of a stream; what was decided of the one before is forgotten."""
        self.event, self.journal = event, journal
        self.decisions = Decisions()
        self.steps = 0

    def original_response(self, response: Response, *, streamed: bool) -> None:
        """Say what really came back."""
        self.original.response = EditedResponse(response, Journal(), streamed=streamed)

    def spend(self, steps: int) -> None:
        """Count work; raises `EditRefused` past the budget."""
        self.steps += steps
        if self.steps > STEP_BUDGET:
            raise EditRefused(f"more than {STEP_BUDGET} steps over one message")

    def remark(self, text: str) -> None:
        """Say something in the trace of the rule that runs."""
        self.remarks.append(text)

    def note(self, text: str) -> None:
        """Say something in the log line of the request."""
        self.spend(len(self.decisions.notes) // 16)
        self._decide(notes=(*self.decisions.notes, text))

    def stop(self) -> None:
        """Let no later rule of this side run on this message."""
        self._decide(stopped=True)

    def answer(self, status: int, headers: dict[str, Any], body: Value) -> None:
        """Answer the client here."""
        self._decide(answer=Answer(status, headers, body), stopped=True)

    def fake_stream(self, ping_every: float | None) -> None:
        """Fake the stream if the client asked for one, whatever earlier rules made of its request."""
        if not wants_stream(self.original.request if self.side == "request" else self.request):
            self.remark("the request asks for no stream")
            return
        if self.api == "anthropic.count_tokens":
            raise EditRefused(f"fake_stream makes no streams of the format {self.api}")
        if self.side != "request":
            # Whether the request differs from the one before is asked as soon as the rule is through.
            ask_whole(self.request)
        self._decide(faked=FakedStream(ping_every))

    def collect_stream(self) -> None:
        """Ask for a stream if the client asked for none, whatever earlier rules made of its request."""
        if wants_stream(self.original.request):
            self.remark("the request asks for a stream")
        elif self.api == "anthropic.count_tokens" or not ask_stream(self.request):
            self.remark("the request asks for no message")
        else:
            self._decide(collected=True)

    def repair_stream(self) -> None:
        """Repair the stream that the client asked for."""
        if self.api not in REPAIRERS:
            known = "Anthropic messages and OpenAI chat completions"
            raise EditRefused(f"repair_stream repairs streams of {known}, this request is {self.api}")
        if not wants_stream(self.original.request):
            self.remark("the request asks for no stream")
            return
        self._decide(repaired=True)

    def retry(self) -> None:
        """Send the request again as it is now."""
        self._decide(retried=True, stopped=True)

    def record(self, lesson: Lesson, fill: Callable[[], tuple[Value, ...]]) -> None:
        """Keep a statement that is about to run, for `learn`."""
        try:
            values: tuple[Value, ...] | str = fill()
        except EditRefused as refused:
            values = str(refused)
        self._decide(recorded=(*self.decisions.recorded, Recorded(lesson, values)))

    def learn(self) -> None:
        """Make the edits of this rule up front for later requests, if the upstream takes them."""
        self._decide(learns=True)

    def drop(self) -> None:
        """Give the client nothing of this event."""
        self._decide(dropped=True, stopped=True)

    def emit(self, side: Literal["before", "after"], kind: str, data: bytes) -> None:
        """Put an event beside this one."""
        if len(self.decisions.emitted) == MOST_EMITTED:
            raise EditRefused(f"more than {MOST_EMITTED} events beside one")
        self._decide(emitted=(*self.decisions.emitted, Emitted(side, kind, data)))

    def _decide(self, **changes: Any) -> None:
        current = {name: getattr(self.decisions, name) for name in Decisions.__slots__}
        self.decisions = Decisions(**(current | changes))


class OriginalMessages:
    """The messages as they came; rules read them and never write."""

    __slots__ = ("_response", "request")

    def __init__(self, sent: Request, declared: tuple[Upstream, ...], unpack: Unpack | None) -> None:
        self.request = EditedRequest(sent, declared, Journal(), unpack)
        self._response: EditedResponse | None = None

    @property
    def answered(self) -> bool:
        """Whether an answer came."""
        return self._response is not None

    @property
    def response(self) -> EditedResponse:
        """The last answer that came. Raises `EditRefused` where none did."""
        if self._response is None:
            raise EditRefused("no answer came: there is no original.response")
        return self._response

    @response.setter
    def response(self, response: EditedResponse) -> None:
        self._response = response
