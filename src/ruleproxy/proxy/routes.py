"""How an upstream is reached: how long it is waited for, through which proxy, trusting whom, signed for what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from ruleproxy.proxy.forward_proxies import NO_PROXIES, ForwardProxies


@dataclass(frozen=True, slots=True)
class Patience:
    """How long an upstream is waited for, in seconds; infinity: without end.

    `connect`: until there is a connection, its handshakes included. `first_byte`: from the request to the first byte
    of an answer. `idle`: between two bytes of it. `total`: from the request to the last byte. `by_rule`: a rule wrote
    `upstream.timeout`, which stands for `first_byte` and `idle`.
    """

    connect: float = 10.0
    first_byte: float = 600.0
    idle: float = 600.0
    total: float = 3600.0
    by_rule: bool = False

    def limited(self, seconds: float) -> Patience:
        """The same with another limit on silence, from a rule."""
        return replace(self, first_byte=seconds, idle=seconds, by_rule=True)

    def name_of(self, limit: str) -> str:
        """Where the limit `limit` (a field) was set, for messages."""
        return "upstream.timeout" if self.by_rule and limit in ("first_byte", "idle") else f"timeouts.{limit}"


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom to trust and who to be. `ca_files` come besides the system's authorities; `password` opens the `key`,
    which stands in the `certificate` where it has no file of its own.
    """

    ca_files: tuple[Path, ...] = ()
    certificate: Path | None = None
    key: Path | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Route:
    """How one upstream is reached. `region` and `service` are those of SigV4 where its host does not tell them."""

    patience: Patience = Patience()
    proxies: ForwardProxies = NO_PROXIES
    trust: Trust = Trust()
    region: str | None = None
    service: str | None = None


DEFAULT_ROUTE = Route()

Routes = Mapping[str, Route]
"""By the upstream's name."""

NO_ROUTES: Routes = MappingProxyType({})
