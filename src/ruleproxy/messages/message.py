"""Messages as they came off the wire. Nothing here is decoded, so whatever no rule changes can leave as it came."""

from __future__ import annotations

from dataclasses import dataclass

Headers = list[tuple[bytes, bytes]]
"""Header lines in the order, spelling and repetition in which they came."""


@dataclass(slots=True)
class Request:
    """A request: `raw_path` percent-encoded as it came, `query` without its `?` (empty: there was none)."""

    method: str
    raw_path: bytes
    query: bytes
    headers: Headers
    body: bytes

    @property
    def target(self) -> bytes:
        """Path and query as they stand in a request line."""
        return self.raw_path + b"?" + self.query if self.query else self.raw_path


@dataclass(slots=True)
class Response:
    """A whole answer."""

    status: int
    headers: Headers
    body: bytes
