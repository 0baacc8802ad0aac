"""What an exchange and its driver say to each other: events that happened, actions to carry out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ruleproxy.messages.message import Headers


@dataclass(frozen=True, slots=True)
class Send:
    """Ask an upstream. `origin` is `scheme://host[:port]`, `target` the bytes of the request line's target.

    `upstream` is its name. `timeout` (seconds of silence) and `sign` are what rules wrote or settings say, if they do.
    """

    origin: str
    method: str
    target: bytes
    headers: Headers
    body: bytes
    upstream: str = ""
    timeout: float | None = None
    sign: str | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """Begin the client's answer."""

    status: int
    headers: Headers


@dataclass(frozen=True, slots=True)
class Data:
    """Bytes of the client's answer."""

    data: bytes


@dataclass(frozen=True, slots=True)
class End:
    """The client's answer is complete."""


@dataclass(frozen=True, slots=True)
class Cut:
    """The client's answer cannot be completed: end the connection so that the truncation shows."""


Action = Send | Head | Data | End | Cut


def is_over(actions: Sequence[Action]) -> bool:
    """Whether nothing more of the answer at hand is of interest after these actions."""
    return bool(actions) and isinstance(actions[-1], Send | End | Cut)


@dataclass(frozen=True, slots=True)
class UpstreamHead:
    """Status and headers of the upstream's answer, as they came."""

    status: int
    headers: Headers


@dataclass(frozen=True, slots=True)
class UpstreamData:
    """Bytes of the upstream's answer, as they came (still compressed if they were)."""

    data: bytes


@dataclass(frozen=True, slots=True)
class UpstreamEnd:
    """The upstream's answer ended as its framing said."""


FailureKind = Literal["refused", "reset", "timeout", "tls", "truncated"]


@dataclass(frozen=True, slots=True)
class UpstreamFailed:
    """No usable answer, or only part of one; `message` says what happened, for people."""

    kind: FailureKind
    message: str


@dataclass(frozen=True, slots=True)
class Waited:
    """`patience` seconds went by without an event."""


@dataclass(frozen=True, slots=True)
class ReadOn:
    """More of what came can be read now."""


@dataclass(frozen=True, slots=True)
class CredentialRenewed:
    """The upstream refused a credential that the driver puts into requests (401), and the driver has a new one."""


Event = UpstreamHead | UpstreamData | UpstreamEnd | UpstreamFailed | ReadOn | Waited | CredentialRenewed
