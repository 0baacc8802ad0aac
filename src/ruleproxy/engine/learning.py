"""Rules that `learn` made: edits that a rule had to make after a refusal, made up front from then on.

A rule that learns leaves a recording of the statements that it ran (`context`). Once the upstream takes the request
that was sent again, the recording becomes a rule (`teaching`), in force for later requests as long as its ruleset.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import msgspec

from ruleproxy.engine.compiling import CompiledRule
from ruleproxy.engine.context import RunContext
from ruleproxy.engine.faking import FakingError, readable_body
from ruleproxy.engine.ruleset import Candidates
from ruleproxy.engine.teaching import Lesson, NotLearned, load_lesson, write_lesson
from ruleproxy.messages.message import Headers, Response
from ruleproxy.wire.json_shapes import read_shape

MOST_LEARNED = 16
"""Rules that are learned for one upstream and model."""

MOST_LEARNED_IN_ALL = 256
"""Rules that are learned in all: clients choose the names of models."""


_NONE = Candidates(())


@dataclass(frozen=True, slots=True)
class LearnedRule:
    """A rule as `learn` made it: its text as it would stand in a file, and the rule of that text."""

    lesson: Lesson
    text: str
    rule: CompiledRule


@dataclass(slots=True)
class LearnedRules:
    """What was learned under one ruleset; it ends with it.

    `secrets` are the values that must stand in no rule; `announce` is told every new rule once.
    """

    secrets: frozenset[str] = frozenset()
    announce: Callable[[LearnedRule], None] | None = None
    candidates: Candidates = _NONE
    _known: dict[tuple[str, str, str], LearnedRule] = field(default_factory=dict)
    _refused: dict[tuple[str, str, str], str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._known)

    @property
    def rules(self) -> Sequence[LearnedRule]:
        """All of them, the oldest first."""
        return tuple(self._known.values())

    @property
    def text(self) -> str:
        """All of them as a rules file."""
        return "\n".join(["edition 1\n", *(learned.text for learned in self._known.values())])

    def take(self, lesson: Lesson) -> LearnedRule | None:
        """Put the rule of a lesson into force; None where it is already. Raises `NotLearned`."""
        key = (lesson.upstream, lesson.model, lesson.body)
        if key in self._known:
            return None
        beside = sum(known[:2] == key[:2] for known in self._known)
        if beside >= MOST_LEARNED:
            raise NotLearned(f"{beside} rules are learned for {lesson.model} at {lesson.upstream} already")
        if len(self._known) >= MOST_LEARNED_IN_ALL:
            raise NotLearned(f"{len(self._known)} rules are learned already")
        if key in self._refused:
            raise NotLearned(self._refused[key])
        alike = sum(replace(known.lesson, number=1).name == lesson.name for known in self._known.values())
        lesson = replace(lesson, number=alike + 1)
        try:
            text, rule = load_lesson(lesson, self.secrets)
        except NotLearned as reason:
            # What comes of reading it is the same every time, and costs milliseconds.
            if len(self._refused) < MOST_LEARNED_IN_ALL:
                self._refused[key] = str(reason)
            raise
        learned = self._known[key] = LearnedRule(lesson, text, rule)
        self.candidates = Candidates(tuple(known.rule for known in self._known.values()))
        if self.announce is not None:
            self.announce(learned)
        return learned


class Learning:
    """What one exchange may teach: lessons wait until the upstream takes a request that they were made for.

    `rules` are those that were learned before it, `learned` those that it did teach; `refusals` say what was not
    learned and why.
    """

    __slots__ = ("_lessons", "_store", "learned", "refusals", "rules")

    def __init__(self, store: LearnedRules | None) -> None:
        self._store = store
        self._lessons: list[Lesson] = []
        self.learned: list[LearnedRule] = []
        self.refusals: list[str] = []
        self.rules = _NONE if store is None else store.candidates

    @property
    def remarks(self) -> Sequence[str]:
        """What there is to say of it in one log line."""
        return [*(learned.rule.name for learned in self.learned), *self.refusals]

    @property
    def waits(self) -> bool:
        """Whether anything is learned if the next answer is good."""
        return bool(self._lessons)

    def note(self, context: RunContext, *, spent: bool) -> None:
        """Take down what a rule of an answer's side did, if it learns and the request is sent again.

        `spent`: the request was sent as often as it may be. A rule that learns and has something else to edit then
        shows that the upstream took the edits before: without them the next request would come no further.
        """
        recording = context.recording
        if spent and context.wanted_more:
            self._learn()
        if recording is None or not context.decisions.retried or self._store is None:
            return
        try:
            self._lessons.append(write_lesson(recording, context))
        except NotLearned as reason:
            self.refusals.append(f'not learned: "{recording.rule}": {reason}')

    def judge(self, response: Response, upstream: str, *, whole: bool = True) -> None:
        """Learn what waits, if this is what an upstream answers that takes the request.

        Of an answer that is not `whole` only the head is known.
        """
        if self._lessons and is_taken(response, whole=whole):
            self._lessons = [lesson for lesson in self._lessons if lesson.upstream == upstream]
            self._learn()
        self._lessons = []

    def _learn(self) -> None:
        lessons, self._lessons = self._lessons, []
        for lesson in lessons:
            assert self._store is not None
            try:
                learned = self._store.take(lesson)
            except NotLearned as reason:
                self.refusals.append(f'not learned: "{lesson.rule}": {reason}')
                continue
            if learned is not None:
                self.learned.append(learned)


class _Answer(msgspec.Struct):
    type: str | None = None
    error: msgspec.Raw = msgspec.Raw(b"null")


def is_taken(response: Response, *, whole: bool) -> bool:
    """Whether an upstream took the request: a status of the 200s, and behind it no page, no error, not nothing."""
    if not 200 <= response.status < 300:
        return False
    if not whole:
        return not _is_page(response.headers)
    try:
        body = readable_body(response).removeprefix(b"\xef\xbb\xbf").strip()
    except FakingError:
        return False
    answer = read_shape(body, _Answer)
    if answer is None:
        return _is_binary_stream(response.headers)
    return answer.type != "error" and bytes(answer.error) == b"null"


def _is_page(headers: Headers) -> bool:
    return _content_type(headers).startswith(b"text/html")


def _is_binary_stream(headers: Headers) -> bool:
    return _content_type(headers).startswith(b"application/vnd.amazon.eventstream")


def _content_type(headers: Headers) -> bytes:
    return next((value.strip().lower() for name, value in headers if name.lower() == b"content-type"), b"")
