"""What a verb may ask of the exchange it acts on. The engine implements it; verbs know nothing above themselves."""

from __future__ import annotations

from typing import Any, Literal, Protocol

from ruleproxy.messages.edited import EditedRequest
from ruleproxy.messages.values import Value


class Context(Protocol):
    """One run of the rules of a side over one message."""

    request: EditedRequest

    def spend(self, steps: int) -> None:
        """Count work; raises `EditRefused` past the budget."""

    def remark(self, text: str) -> None:
        """Say something in the trace of the rule that runs."""

    def note(self, text: str) -> None:
        """Say something in the log line of the request."""

    def stop(self) -> None:
        """Let no later rule of this side run on this message."""

    def answer(self, status: int, headers: dict[str, Any], body: Value) -> None:
        """Answer the client here; no upstream is asked (any more)."""

    def fake_stream(self, ping_every: float | None) -> None:
        """Ask the upstream for a whole answer and give it to the client as a stream."""

    def collect_stream(self) -> None:
        """Ask the upstream for a stream and give it to the client as a whole answer."""

    def repair_stream(self) -> None:
        """Give the client a stream that conforms to its format."""

    def retry(self) -> None:
        """Send the request again as it is now; nothing after it in the rule runs."""

    def learn(self) -> None:
        """Make the edits of this rule up front for later requests, if the upstream takes them."""

    def drop(self) -> None:
        """Give the client nothing of the event at hand."""

    def emit(self, side: Literal["before", "after"], kind: str, data: bytes) -> None:
        """Put an event beside the one at hand."""
