"""What an upstream said in a recorded exchange, said again to whatever rules ask it now.

Rules that are tried on a recording may send something else than was sent then, and more or less often. So an answer
is looked for by what is asked: that of the attempt which what is sent now is most like, of those that were not used
yet. Where the rules are the ones that were in force, these are the same requests in the same order.
"""

from __future__ import annotations

from collections.abc import Sequence

from ruleproxy.captures.capture import Capture
from ruleproxy.engine.events import Event, Send
from ruleproxy.rehearsal.answers import recorded_answer
from ruleproxy.rehearsal.differences import Outgoing, compare_requests
from ruleproxy.rehearsal.driving import Unanswered

Attempt = tuple[Outgoing, tuple[Event, ...]]
"""What was sent, and what came of it."""


class RecordedAnswers:
    """The answers of these attempts, each given once and none after one that came later."""

    def __init__(self, attempts: Sequence[Attempt]) -> None:
        self._left = attempts

    def __call__(self, send: Send) -> tuple[Event, ...]:
        """What happens now that this is sent. Raises `Unanswered`."""
        if not self._left:
            raise Unanswered("it is sent again, and what came back then was not recorded")
        found = 0
        if len(self._left) > 1:
            now = Outgoing(send.method, send.target, send.headers, send.body, send.origin)
            unlike = [len(compare_requests(then, now)) for then, _ in self._left]
            found = unlike.index(min(unlike))
        events = self._left[found][1]
        self._left = self._left[found + 1 :]
        return events


def read_attempts(capture: Capture) -> Sequence[Attempt]:
    """The attempts of a capture of which something came back."""
    attempts: list[Attempt] = []
    for attempt in capture.answered:
        sent = attempt.sent.to_message()
        went = Outgoing(sent.method, sent.target, sent.headers, sent.body, attempt.sent.origin)
        attempts.append((went, recorded_answer(attempt)))
    return attempts
