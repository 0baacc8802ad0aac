"""The parts of a running proxy, put together."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Mapping

from ruleproxy import __version__
from ruleproxy.engine.pass_through import PassThrough
from ruleproxy.messages.message import Request
from ruleproxy.proxy.access_log import AccessLog
from ruleproxy.proxy.admin import make_control_app
from ruleproxy.proxy.app import ProxyApp
from ruleproxy.proxy.forwarding import Exchange, Forwarder
from ruleproxy.proxy.server import url_of
from ruleproxy.proxy.settings import Settings
from ruleproxy.proxy.transport import SocketTransport, TransportLimits

_log = logging.getLogger("ruleproxy")


def assemble(
    settings: Settings,
    listener: socket.socket,
    *,
    begin_exchange: Callable[[Request], Exchange] | None = None,
    status: Callable[[], Mapping[str, object]] | None = None,
) -> ProxyApp:
    """The application for `run_server`; without `begin_exchange` it passes everything to the default upstream.

    `status` adds to what the control page shows. Says `listening on URL` in the log once clients are served.
    """
    url = url_of(listener)
    started = time.time()

    def show_status() -> dict[str, object]:
        shown: dict[str, object] = {
            "version": __version__,
            "listening": url,
            "uptime_seconds": round(time.time() - started, 1),
            "upstreams": {
                name: upstream.origin + upstream.base_path.decode("ascii")
                for name, upstream in settings.upstreams.items()
            },
        }
        if status is not None:
            shown.update(status())
        return shown

    limits = TransportLimits(connect=settings.timeouts.connect, silence=settings.timeouts.upstream)
    return ProxyApp(
        begin_exchange or pass_to_default(settings),
        Forwarder(SocketTransport(limits, ca_file=settings.ca_file)),
        AccessLog(log_format=settings.log_format),
        control=make_control_app(show_status),
        limits=settings.limits,
        timeouts=settings.timeouts,
        base_path=settings.base_path,
        on_start=lambda: _log.info("listening on %s", url),
    )


def pass_to_default(settings: Settings) -> Callable[[Request], Exchange]:
    """Exchanges without rules, with the first upstream."""
    upstream = next(iter(settings.upstreams.values()))

    def begin(request: Request) -> Exchange:
        return PassThrough(request, upstream.origin, upstream.base_path)

    return begin
