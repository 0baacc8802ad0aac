"""The control pages under `/_ruleproxy/`, for people and programs on this machine."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, cast

import orjson
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from quart import Quart, Response, request

_LOCAL_NAMES = frozenset(("localhost", "localhost.localdomain"))


_PAGES = (
    "GET /_ruleproxy/status",
    "GET /_ruleproxy/metrics",
    "GET /_ruleproxy/learned",
    "POST /_ruleproxy/learned/forget",
    "POST /_ruleproxy/recording/on",
    "POST /_ruleproxy/recording/off",
)


class Switch(Protocol):
    """What can be turned on and off."""

    def switch(self, *, on: bool) -> None:
        """Turn it on or off."""


def make_control_app(
    status: Callable[[], Mapping[str, object]],
    metrics: Callable[[], bytes],
    learned: Callable[[], str],
    forget: Callable[[], int],
    recording: Switch | None,
) -> Callable[[dict[str, Any], Any, Any], Awaitable[None]]:
    """An ASGI application with

        GET  /_ruleproxy/status             what `status()` returns, as JSON
        GET  /_ruleproxy/metrics            what `metrics()` returns, for Prometheus
        GET  /_ruleproxy/learned            the text of a rules file that `learned()` returns
        POST /_ruleproxy/learned/forget     has what was learned forgotten by `forget()`, which says how many rules
        POST /_ruleproxy/recording/on|off   the switch of what is recorded; 409 where nothing was to be

    Every page answers 403 unless both the client and the name it called are this machine's own: a page in a
    browser must not reach it through a name that was made to resolve to loopback, nor switch anything.
    """
    app = Quart(__name__)

    @app.before_request
    async def refuse_strangers() -> Response | None:
        if is_loopback(request.remote_addr or "") and is_local_host(request.headers.get("Host", "")):
            return None
        return _json({"error": "the control pages are for clients on this machine"}, 403)

    @app.get("/_ruleproxy/status")
    async def show_status() -> Response:
        return _json(status(), 200)

    @app.get("/_ruleproxy/metrics")
    async def show_metrics() -> Response:
        return Response(metrics(), content_type=CONTENT_TYPE_LATEST)

    @app.get("/_ruleproxy/learned")
    async def show_learned() -> Response:
        return Response(learned(), content_type="text/plain; charset=utf-8")

    @app.post("/_ruleproxy/learned/forget")
    async def forget_learned() -> Response:
        return _refuse_web_page() or _json({"forgotten": forget()}, 200)

    @app.post("/_ruleproxy/recording/<state>")
    async def switch_recording(state: str) -> Response:
        if (refused := _refuse_web_page()) is not None:
            return refused
        if state not in ("on", "off"):
            return _json({"error": "recording is switched on or off"}, 404)
        if recording is None:
            return _json({"error": "there is nowhere to record to: start with --record DIR"}, 409)
        recording.switch(on=state == "on")
        return _json(status(), 200)

    @app.errorhandler(404)
    async def say_unknown(_error: Exception) -> Response:
        return _json({"error": "no such control page", "pages": _PAGES}, 404)

    @app.errorhandler(405)
    async def say_method(_error: Exception) -> Response:
        return _json({"error": f"this page does not take {request.method}", "pages": _PAGES}, 405)

    return cast(Callable[[dict[str, Any], Any, Any], Awaitable[None]], app)


def is_loopback(address: str) -> bool:
    """Whether an IP address is of this machine's loopback network."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def is_local_host(host: str) -> bool:
    """Whether a `Host` header (`name[:port]` or `[address]:port`) names this machine by a loopback name."""
    name = host.partition("]")[0][1:] if host.startswith("[") else host.partition(":")[0]
    return name.lower() in _LOCAL_NAMES or is_loopback(name)


def _refuse_web_page() -> Response | None:
    # Browsers say where a page comes from, and send what it wants: no page has a reason to.
    return _json({"error": "no web page may switch anything here"}, 403) if "Origin" in request.headers else None


def _json(value: Mapping[str, object], status: int) -> Response:
    return Response(orjson.dumps(value), status=status, content_type="application/json")
