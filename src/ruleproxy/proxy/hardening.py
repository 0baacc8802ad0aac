"""What Hypercorn lets through at the level of a connection, closed.

`H11Protocol`, what is overridden of it, `H11WSConnection` and the name under which `ProtocolWrapper` finds the class
are private to Hypercorn: the dependency is held at 0.18, and tests/proxy/test_hardening.py attacks what is closed here.
"""

from __future__ import annotations

import h11
import hypercorn.protocol
from hypercorn.events import Closed
from hypercorn.protocol.h11 import H11Protocol, H11WSConnection
from hypercorn.typing import ConnectionState


class HardenedH11Protocol(H11Protocol):
    """HTTP/1.1 that never becomes HTTP/2, and that tells the application what stood in the request line."""

    async def _check_protocol(self, event: h11.Request) -> None:
        # The original switches to HTTP/2 on `Upgrade: h2c` and on the `PRI` preface, and no setting stops it.
        # An upgrade may be ignored (RFC 9110 7.8); `PRI * HTTP/2.0` goes on to the application, which answers 505.
        #
        # The scope that follows has its method in upper case and no trace of a bare `?`: the application refuses
        # what it could not pass on as it came, so it has to see it.
        self.connection_state = ConnectionState({"method": event.method, "target": event.target})

    async def _handle_events(self) -> None:
        await super()._handle_events()
        # The original answers a handshake that is none with 400, says `Connection: close`, and leaves it open.
        if isinstance(self.connection, H11WSConnection) and self.stream is not None and self.stream.closed:
            await self.send(Closed())


def harden() -> None:
    """Make Hypercorn speak with clients through HardenedH11Protocol."""
    hypercorn.protocol.H11Protocol = HardenedH11Protocol  # type: ignore[attr-defined]
