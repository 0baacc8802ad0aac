"""The first bytes of an answer, held back until they show what it is: a stream, and in which framing, or a whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ruleproxy.messages.message import Headers
from ruleproxy.wire.framing import Framing, claimed_framing, sniff

Kind = Framing | Literal["whole"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What one exchange may hold in memory."""

    answer: int = 64 * 1024 * 1024
    """Bytes of an answer that rules or a faked stream need whole."""

    decoded: int = 64 * 1024 * 1024
    """Bytes of a body once its content codings are undone; of a stream, those that one piece of it inflates to."""


class Arrival:
    """Feed it an answer from its first byte; `held` are all of these bytes, `claimed` what its content type says."""

    __slots__ = ("claimed", "held")

    def __init__(self, headers: Headers) -> None:
        self.held = b""
        self.claimed = claimed_framing(headers)

    def feed(self, data: bytes) -> Kind | None:
        """What the answer is; None where that is not to be seen yet."""
        self.held += data
        found = sniff(self.held, self.claimed)
        return None if found == "undecided" else found

    @property
    def believed(self) -> Kind:
        """What the answer has to be taken for where its bytes do not show it."""
        return self.claimed or "whole"


def is_document(headers: Headers) -> bool:
    """Whether an answer that is no stream of events is one JSON document by its type.

    Of anything else a client may read what has come: lines of JSON (`application/x-ndjson`), records
    (`application/json-seq`), a stream of documents (`application/stream+json`, `application/json;stream=watch`), files.
    """
    named = next((value for name, value in headers if name.lower() == b"content-type"), b"")
    kind, _, parameters = named.lower().partition(b";")
    kind = kind.strip()
    if kind == b"application/json":
        return b"stream" not in parameters
    return kind.endswith(b"+json") and kind != b"application/stream+json"


class Gathering:
    """An answer that has to be there whole: its pieces and their size in bytes.

    `needed`: somebody reads it; else it is a document that is only held for its end to be seen, as long as it is not
    too large for that.
    """

    __slots__ = ("needed", "pieces", "size")

    def __init__(self, *, needed: bool = True) -> None:
        self.needed = needed
        self.pieces: list[bytes] = []
        self.size = 0

    def feed(self, data: bytes) -> None:
        """Take up the next piece."""
        self.pieces.append(data)
        self.size += len(data)
