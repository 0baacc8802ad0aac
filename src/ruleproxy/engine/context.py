"""One run of the rules of a side over one message: the roots that rules name, and what their verbs decided."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ruleproxy.engine.runtime import member
from ruleproxy.messages.edited import EditedRequest, EditedResponse
from ruleproxy.messages.journal import Journal
from ruleproxy.messages.message import Request, Response
from ruleproxy.messages.upstreams import Upstream
from ruleproxy.messages.values import NIL, EditRefused, Nil, Value
from ruleproxy.wire.formats import Api, api_of

STEP_BUDGET = 200_000
"""How much one side of one message may cost, in elements visited and edits made."""

_FAKED_APIS = frozenset({"anthropic.messages", "unknown"})


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
class Decisions:
    """What rules have decided so far, beside their edits. A value, so that a failed rule's decisions can be undone."""

    stopped: bool = False
    answer: Answer | None = None
    faked: FakedStream | None = None
    notes: tuple[str, ...] = ()


class RunContext:
    """See `ruleproxy.verbs.context.Context` for what verbs ask of it."""

    __slots__ = (
        "_original",
        "_sent",
        "api",
        "decisions",
        "declared",
        "journal",
        "remarks",
        "request",
        "response",
        "steps",
    )

    def __init__(
        self,
        sent: Request,
        request: EditedRequest,
        declared: tuple[Upstream, ...],
        journal: Journal,
        response: EditedResponse | None = None,
    ) -> None:
        self._sent = sent
        self._original: OriginalMessages | None = None
        self.request = request
        self.response = response
        self.declared = declared
        self.journal = journal
        self.api: Api = api_of(sent.raw_path.decode("latin-1"))
        self.decisions = Decisions()
        self.remarks: list[str] = []
        self.steps = 0

    @property
    def original(self) -> OriginalMessages:
        """What the client really sent, and what really came back."""
        if self._original is None:
            self._original = OriginalMessages(self._sent, self.declared)
        return self._original

    def keep_original(self, other: RunContext) -> None:
        """Share the originals of another side of the same exchange, opened or not."""
        self._original = other._original

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
        self._decide(notes=(*self.decisions.notes, text))

    def stop(self) -> None:
        """Let no later rule of this side run on this message."""
        self._decide(stopped=True)

    def answer(self, status: int, headers: dict[str, Any], body: Value) -> None:
        """Answer the client here."""
        self._decide(answer=Answer(status, headers, body), stopped=True)

    def fake_stream(self, ping_every: float | None) -> None:
        """Fake the stream if the client asked for one."""
        api = request_api(self.request)
        if api not in _FAKED_APIS:
            raise EditRefused(f"fake_stream makes streams of Anthropic messages, this request is {api}")
        if wants_stream(self.request):
            self._decide(faked=FakedStream(ping_every))
        else:
            self.remark("the request asks for no stream")

    def _decide(self, **changes: Any) -> None:
        current = {name: getattr(self.decisions, name) for name in Decisions.__slots__}
        self.decisions = Decisions(**(current | changes))


class OriginalMessages:
    """The messages as they came; rules read them and never write."""

    __slots__ = ("request", "response")

    def __init__(self, sent: Request, declared: tuple[Upstream, ...]) -> None:
        self.request = EditedRequest(sent, declared, Journal())
        self.response: EditedResponse | None = None


def request_api(request: EditedRequest) -> Api:
    """The provider format of a request, by its path."""
    return api_of(request.path)


def request_model(request: EditedRequest) -> str | Nil:
    """The model that a request names in its body, or in its path where Bedrock and Vertex clients put it."""
    if isinstance(name := member(request.body.root, "model"), str):
        return name
    path = request.path
    for before, after in (("/model/", "/invoke"), ("/publishers/anthropic/models/", ":")):
        _, found, rest = path.partition(before)
        if found and after in rest:
            return rest[: rest.rindex(after)]
    return NIL


def wants_stream(request: EditedRequest) -> bool:
    """Whether a request asks for a stream, in its body or by its path."""
    if request.raw_path.endswith(("/invoke-with-response-stream", ":streamRawPredict")):
        return True
    return member(request.body.root, "stream") is True
