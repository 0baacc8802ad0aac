"""Sending a request again: how often, and never the same twice."""

from __future__ import annotations

from ruleproxy.engine.events import Send
from ruleproxy.messages.edited import Destination
from ruleproxy.messages.message import Headers

MOST_RETRIES = 3
"""How often one request is sent again."""

HEADER = b"x-ruleproxy-retries"
"""The header of an answer that says how often its request was sent again."""


Route = tuple[str, Destination]
"""The path of a request, without a base, and where it goes."""


class Attempts:
    """What has been sent so far for one request; `routes` says of each how rules named where it goes."""

    __slots__ = ("routes", "sends")

    def __init__(self) -> None:
        self.sends: list[Send] = []
        self.routes: list[Route] = []

    def __len__(self) -> int:
        return len(self.sends)

    @property
    def retries(self) -> int:
        """How often the request was sent again."""
        return max(len(self.sends) - 1, 0)

    @property
    def spent(self) -> bool:
        """Whether the request was sent as often as it may be."""
        return len(self.sends) > MOST_RETRIES

    def add(self, send: Send, route: Route) -> None:
        """One more."""
        self.sends.append(send)
        self.routes.append(route)

    def refuse(self, send: Send) -> str | None:
        """Why this is not sent after what was sent before; None where it may be."""
        if self.spent:
            return f"it was sent {len(self.sends)} times already"
        if send in self.sends:
            return "it would be the same request as before"
        return None

    def mark(self, headers: Headers) -> Headers:
        """The headers of an answer, with the number of retries if there were any."""
        return [*headers, (HEADER, b"%d" % self.retries)] if self.retries else headers
