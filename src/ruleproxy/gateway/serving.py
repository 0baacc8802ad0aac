"""Run the gateway under Hypercorn, on a port of its own."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

from hypercorn.asyncio import serve
from hypercorn.config import Config

from ruleproxy.gateway.application import GatewayApplication, SeenRequest

DEFAULT_PATH = "/awssig4claude37/aswsig4claude37"
"""An exact path of the kind that company gateways hand out."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running gateway: its origin (`http://host:port`), the one path it serves, and what has arrived."""

    origin: str
    path: str
    seen: deque[SeenRequest]

    @property
    def url(self) -> str:
        """The only URL that is not a 404."""
        return self.origin + self.path

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.origin.rsplit(":", 1)[1])


@asynccontextmanager
async def serve_gateway(host: str = "127.0.0.1", port: int = 0, *, path: str = DEFAULT_PATH) -> AsyncIterator[Gateway]:
    """Serve a gateway as long as the context lasts; port 0 picks a free one.

    Raises OSError where the address cannot be bound, and ValueError for a path that is not one.
    """
    if not path.startswith("/") or "?" in path:
        raise ValueError(f"a path begins with a slash and has no query: {path!r}")
    application = GatewayApplication(path)
    listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    bound_port = listener.getsockname()[1]
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.loglevel = "WARNING"
    stopping = asyncio.Event()
    # Hypercorn's own type for an application names no ASGI callable of another's making.
    server = asyncio.create_task(serve(cast(Any, application), config, shutdown_trigger=stopping.wait))
    shown_host = f"[{host}]" if ":" in host else host
    try:
        yield Gateway(f"http://{shown_host}:{bound_port}", path, application.seen)
    finally:
        stopping.set()
        await server
