"""Hypercorn, run from within: one process, one event loop, one listening socket."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import logging
import signal
import socket
import sys
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from hypercorn.asyncio import serve
from hypercorn.config import Config

from ruleproxy.proxy.admin import is_loopback
from ruleproxy.proxy.app import ProxyApp
from ruleproxy.proxy.hardening import harden
from ruleproxy.proxy.settings import Settings

_BACKLOG = 1024
_STOP_MARGIN = 5.0
# From malloc.h of glibc: mallopt(3).
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3

_Result = TypeVar("_Result")

try:
    import uvloop
except ImportError:  # not on Windows and not on every interpreter
    _new_event_loop: Callable[[], asyncio.AbstractEventLoop] | None = None
else:
    _new_event_loop = uvloop.new_event_loop


class CannotListen(Exception):
    """The address cannot be listened on; the text says which and why."""


def open_listener(host: str, port: int, *, allow_remote: bool) -> socket.socket:
    """A listening socket: from here on clients connect, and wait until they are served.

    Raises CannotListen, also for an address that is not loopback unless `allow_remote`.
    """
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        family, kind, number, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise CannotListen(f"cannot listen on {place}: {_lower(error)}") from None
    if not allow_remote and not is_loopback(str(address[0])):
        raise CannotListen(f"cannot listen on {place}: it is not a loopback address, which needs --allow-remote")
    listener = socket.socket(family, kind, number)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise CannotListen(f"cannot listen on {place}: {_lower(error)}") from None
    return listener


def url_of(listener: socket.socket) -> str:
    """`http://HOST:PORT` of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def run_server(app: ProxyApp, listener: socket.socket, settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM, then finish what is under way within `timeouts.stop`.

    A second signal cuts it off at once. Closes the listener.
    """
    run_in_loop(_serve_until_signal(app, listener, settings))


def run_in_loop(main: Coroutine[Any, Any, _Result]) -> _Result:
    """Run a coroutine in the fastest event loop that there is."""
    with asyncio.Runner(loop_factory=_new_event_loop) as runner:
        return runner.run(main)


async def serve_until(app: ProxyApp, listener: socket.socket, settings: Settings, stop: asyncio.Event) -> None:
    """Serve until `stop` is set, then finish what is under way within `timeouts.stop`. Closes the listener."""
    harden()
    framework: Any = app
    await serve(framework, _configure(listener, settings), shutdown_trigger=stop.wait, mode="asgi")


def tune_memory() -> None:
    """Set aside what start-up made and look for garbage more rarely: 10 % of a large request, measured.

    And where the allocator is glibc's, let it keep what a large body needed for the next one: by default it gives
    such memory back to the system each time and has it cleared again, another 15 %.
    """
    if sys.platform == "linux" and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:
        mallopt(_M_TRIM_THRESHOLD, 256 * 1024 * 1024)
        mallopt(_M_MMAP_THRESHOLD, 32 * 1024 * 1024)
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def _configure(listener: socket.socket, settings: Settings) -> Config:
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.backlog = _BACKLOG
    config.include_date_header = False
    config.include_server_header = False
    config.h11_pass_raw_headers = True
    config.h11_max_incomplete_size = settings.limits.headers
    config.keep_alive_timeout = settings.timeouts.keep_alive
    config.keep_alive_max_requests = sys.maxsize
    # Past this Hypercorn cancels connections, each with a traceback: the application ends its requests before.
    config.graceful_timeout = settings.timeouts.stop + _STOP_MARGIN
    config.accesslog = None
    errors = logging.getLogger("ruleproxy.server")
    # Hypercorn says where it listens at this level; we say it in our own words.
    errors.setLevel(logging.WARNING)
    config.errorlog = errors
    return config


async def _serve_until_signal(app: ProxyApp, listener: socket.socket, settings: Settings) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()

    def handle_signal() -> None:
        if stop.is_set():
            app.cut_off()
        else:
            stop.set()
            loop.call_later(settings.timeouts.stop, app.cut_off)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, handle_signal)
    tune_memory()
    await serve_until(app, listener, settings, stop)


def _lower(error: OSError) -> str:
    text = error.strerror or str(error)
    return text[:1].lower() + text[1:]
