"""The sides of one exchange: the messages that rules work on, each run of the rules of a side, and what was sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ruleproxy.engine.asking import ask_whole, wants_stream
from ruleproxy.engine.context import Decisions, Failure, RunContext
from ruleproxy.engine.event_rules import EventRules
from ruleproxy.engine.events import Send
from ruleproxy.engine.glancing import Glance
from ruleproxy.engine.learning import LearnedRules, Learning
from ruleproxy.engine.retrying import Attempts
from ruleproxy.engine.ruleset import Candidates, Ruleset
from ruleproxy.engine.running import Outcome, RequiredRuleFailed, run_rules
from ruleproxy.language.signatures import Side
from ruleproxy.messages.body import Unpack
from ruleproxy.messages.edited import EditedRequest, EditedResponse
from ruleproxy.messages.journal import Edit, Journal
from ruleproxy.messages.message import Headers, Request, Response
from ruleproxy.messages.upstreams import Upstream
from ruleproxy.wire.framing import Framing, expected_framing

_ENCODING: Final = b"accept-encoding"


@dataclass(frozen=True, slots=True)
class Pass:
    """One run of the rules of a side: over the request, over an answer, over a stream, over a failure."""

    side: Side
    context: RunContext
    outcomes: Sequence[Outcome]


class Sides:
    """What rules work on in one exchange.

    `passes` has every run in order, `contexts` the messages of the last one by side, `attempts` everything that went
    upstream, `own_edits` what the proxy itself changed on the first of it, `reused` how many bytes of the client's
    body that had (None: nobody counted), `ruled_headers` the header lines of what went out last as the rules left them.
    `begun`: the answer has, so nothing is sent again. `notes` are the rules' words, `remarks` the engine's.
    """

    def __init__(
        self,
        ruleset: Ruleset,
        request: Request,
        upstreams: tuple[Upstream, ...],
        *,
        detailed: bool,
        observe: Callable[[Sequence[Outcome]], None] | None,
        learned: LearnedRules | None = None,
        unpack: Unpack | None = None,
    ) -> None:
        self.learning = Learning(learned)
        self.ruleset = ruleset
        self.request = request
        self.passes: list[Pass] = []
        self.attempts = Attempts()
        self.notes: tuple[str, ...] = ()
        self.remarks: tuple[str, ...] = ()
        self.repairs: Mapping[str, int] = {}
        self.own_edits: tuple[Edit, ...] = ()
        self.reused: int | None = len(request.body)
        self.begun = False
        self._upstreams = upstreams
        self._detailed = detailed
        self._observe = observe
        self._journal = Journal(detailed=detailed)
        self.edited = EditedRequest(request, upstreams, self._journal, unpack)
        self.ruled_headers = self.edited.headers.lines
        self._own_lines: Headers = []
        self.context = RunContext(request, self.edited, upstreams, self._journal)
        self.contexts: dict[str, RunContext] = {"request": self.context}

    def remark(self, text: str) -> None:
        """Say something of the exchange that no rule said, for its log line."""
        self.remarks += (text,)

    def rules(self, side: Side) -> Candidates:
        """The rules of a side that may act on this exchange."""
        return self.ruleset.candidates(side, self.edited.method, self.edited.path)

    @property
    def wanted_stream(self) -> bool:
        """Whether the client asked for a stream."""
        return wants_stream(self.context.original.request)

    @property
    def outgoing_framing(self) -> Framing | None:
        """The framing of streams that what goes upstream asks for; None where its path does not tell."""
        return expected_framing(self.edited.outgoing_path)

    def run_request(self) -> Decisions:
        """Run the request rules, once. Raises `RequiredRuleFailed`."""
        rules, learned = self.rules("request"), self.learning.rules
        if rules or learned:
            self._run("request", self.context, lambda: self._run_request(rules, learned))
        return self.context.decisions

    def _run_request(self, rules: Candidates, learned: Candidates) -> list[Outcome]:
        glance = None if self._detailed or rules.pick is None else Glance(self.context, *rules.pick, rules.worth)
        outcomes = run_rules(rules, self.context, glance)
        if self.context.decisions.stopped:
            return [*outcomes, *(Outcome(rule, "unreached") for rule in learned)]
        return [*outcomes, *run_rules(learned, self.context)] if learned else outcomes

    def run_response(self, response: Response, *, streamed: bool) -> tuple[EditedResponse, Decisions]:
        """Run the response rules over an answer; of a stream they see the head. Raises `RequiredRuleFailed`."""
        journal = Journal(detailed=self._detailed)
        edited = EditedResponse(response, journal, streamed=streamed)
        context = self._open("response", journal, edited)
        context.original_response(response, streamed=streamed)
        self._run("response", context, lambda: run_rules(self.rules("response"), context))
        self.learning.note(context, spent=self.attempts.spent)
        return edited, context.decisions

    def judge(self, response: Response, *, whole: bool = True) -> None:
        """Learn what waits if this answer, of which only the head is known unless it is `whole`, is a good one."""
        self.learning.judge(response, self.edited.upstream.name, whole=whole)

    def run_failure(self, failure: Failure) -> Decisions:
        """Run the failure rules. Raises `RequiredRuleFailed`."""
        context = self._open("failure", Journal(detailed=self._detailed), failure=failure)
        self._run("failure", context, lambda: run_rules(self.rules("failure"), context))
        self.learning.note(context, spent=self.attempts.spent)
        return context.decisions

    def open_stream(self, came: Response) -> EventRules:
        """The event rules for a stream that begins; `came` is the answer that it is or is made of."""
        context = self._open("event", Journal(detailed=self._detailed))
        context.original_response(came, streamed=not came.body)
        return EventRules(self.rules("event"), context)

    def close_stream(self, stream: EventRules) -> None:
        """Note what the event rules did with a stream that is over."""
        self._note("event", stream.context, stream.outcomes(), stream.notes)

    def ask_whole(self) -> None:
        """Ask for a whole answer."""
        ask_whole(self.edited)

    def send(self, *, uncompressed: bool) -> Send:
        """The request as it goes out now; it counts as sent."""
        ruled = sum(len(o.edits) for run in self.passes for o in run.outcomes if o.verdict == "changed")
        first = not len(self.attempts)
        headers = self.edited.headers
        self.ruled_headers = self._without_own(headers.lines)
        if uncompressed or any(self.rules(side) for side in ("response", "event", "failure")):
            # What has to be read is asked for uncompressed.
            headers.write("accept-encoding", "identity")
            self._own_lines = headers.lines
        send, reused = self._compose()
        if first:
            self.own_edits, self.reused = tuple(self._journal.edits[ruled:]), reused
        self.attempts.add(send, (self.edited.raw_path, self.edited.upstream.destination))
        if not self._detailed:
            # Many exchanges wait for their upstreams, and few of them look at the request again.
            self._journal.settle()
            self.edited.body.close(send.body)
        return send

    def send_again(self) -> Send:
        """The request that went out last, once more; it counts as sent."""
        sends, routes = self.attempts.sends, self.attempts.routes
        self.attempts.add(sends[-1], routes[-1])
        return sends[-1]

    def _without_own(self, lines: Headers) -> Headers:
        """The header lines without what the proxy wrote itself, where the request was sent before."""
        if not self._own_lines:
            return lines
        asked = [line for line in self.ruled_headers if line[0].lower() == _ENCODING]
        own = [line for line in self._own_lines if line[0].lower() == _ENCODING]
        if own != [line for line in lines if line[0].lower() == _ENCODING]:
            return lines
        at = lines.index(own[0])
        return [*lines[:at], *asked, *lines[at + 1 :]]

    def _compose(self) -> tuple[Send, int | None]:
        edited = self.edited
        body, reused = edited.body.to_bytes()
        query = b"?" + edited.query.text if edited.query.text else b""
        target = edited.outgoing_path.encode("latin-1") + query
        to = edited.upstream
        lines = edited.headers.lines
        if edited.body.unpacked:
            lines = [line for line in lines if line[0].lower() != b"content-encoding"]
        return Send(to.origin, edited.method, target, lines, body, to.name, to.timeout, to.sign), reused

    def _refuse_retry(self) -> str | None:
        return "the answer has begun" if self.begun else self.attempts.refuse(self._compose()[0])

    def _open(
        self, side: Side, journal: Journal, response: EditedResponse | None = None, failure: Failure | None = None
    ) -> RunContext:
        context = RunContext(
            self.request,
            self.edited,
            self._upstreams,
            journal,
            response,
            side=side,
            request_journal=self._journal,
            refuse_retry=self._refuse_retry,
            failure=failure,
        )
        context.keep_original(self.context)
        return context

    def _run(self, side: Side, context: RunContext, run: Callable[[], list[Outcome]]) -> None:
        try:
            outcomes = run()
        except RequiredRuleFailed as failed:
            self._note(side, context, failed.outcomes, ())
            raise
        self._note(side, context, outcomes, context.decisions.notes)

    def _note(self, side: Side, context: RunContext, outcomes: Sequence[Outcome], notes: tuple[str, ...]) -> None:
        self.passes.append(Pass(side, context, outcomes))
        self.contexts[side] = context
        self.notes += notes
        if self._observe is not None:
            self._observe(outcomes)
