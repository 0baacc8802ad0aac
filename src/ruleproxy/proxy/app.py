"""The one door: an ASGI application that takes requests as they came and forwards them.

Quart's request and response objects are not on this way (they decode paths and header values); a Quart
application serves the control pages only, see `ruleproxy.proxy.admin`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from time import perf_counter
from typing import Any

from ruleproxy.captures.redaction import mask_remark, mask_traceback
from ruleproxy.messages.message import Request
from ruleproxy.proxy.access_log import AccessLog, Entry, show_target
from ruleproxy.proxy.answer import AsgiSend, ClientAnswer
from ruleproxy.proxy.failures import UnsendableRequest
from ruleproxy.proxy.forwarding import Exchange, Forwarder
from ruleproxy.proxy.metrics import Traffic
from ruleproxy.proxy.refusals import find_refusal, say_too_large
from ruleproxy.proxy.settings import Limits, Timeouts
from ruleproxy.wire.formats import api_of
from ruleproxy.wire.headers import strip_hop_by_hop

AsgiReceive = Callable[[], Awaitable[dict[str, Any]]]
AsgiApp = Callable[[dict[str, Any], AsgiReceive, AsgiSend], Awaitable[None]]

CONTROL_PREFIX = b"/_ruleproxy/"

_CLIENT_GONE = 499
# Most answers of a fast upstream are through before it pays to watch for the client's leaving.
_WATCH_AFTER = 0.05
_DRAIN_SECONDS = 2.0

_log = logging.getLogger("ruleproxy")


class ClientGone(Exception):
    """The client left before its request was complete."""


class BodyTooLarge(Exception):
    """More bytes than the limit allows."""


class BodyTooSlow(Exception):
    """The client stopped sending within its body."""


class ProxyApp:
    """Forwards every request but those under `/_ruleproxy/`.

    `begin_exchange` makes the exchange of a request; `control` answers the control pages; `base_path` (begins
    with a slash, does not end in one unless it is `/`) is what client paths begin with and upstreams never see.
    `known` gives the secrets of the rules, which no line of the log may hold; `traffic` counts what has passed.
    """

    def __init__(
        self,
        begin_exchange: Callable[[Request], Exchange],
        forwarder: Forwarder,
        log: AccessLog,
        *,
        control: AsgiApp,
        limits: Limits,
        timeouts: Timeouts,
        base_path: str = "/",
        traffic: Traffic | None = None,
        known: Callable[[], Iterable[bytes]] = tuple,
        on_start: Callable[[], None] | None = None,
        on_stop: Callable[[], None] | None = None,
    ) -> None:
        self._begin_exchange = begin_exchange
        self._forwarder = forwarder
        self._access_log = log
        self._control = control
        self._limits = limits
        self._timeouts = timeouts
        self._prefix = b"" if base_path == "/" else base_path.encode("ascii")
        self._known = known
        self._on_start = on_start
        self._on_stop = on_stop
        self._running: set[asyncio.Task[None]] = set()
        self._traffic = traffic or Traffic()
        self._traffic.in_progress = self._running.__len__
        self._cut_off = False

    async def __call__(self, scope: dict[str, Any], receive: AsgiReceive, send: AsgiSend) -> None:
        """Serve one ASGI scope."""
        match scope["type"]:
            case "http":
                if scope["raw_path"].startswith(CONTROL_PREFIX) and scope["http_version"] in ("1.0", "1.1"):
                    await self._control(scope, receive, send)
                else:
                    await self._serve(scope, receive, send)
            case "lifespan":
                await self._live(receive, send)
            case _:
                await receive()
                await self._refuse_websocket(scope, send)

    def cut_off(self) -> None:
        """End what is under way: answers that were not begun become 503, others are cut."""
        self._cut_off = True
        for task in self._running:
            task.cancel()

    async def _serve(self, scope: dict[str, Any], receive: AsgiReceive, send: AsgiSend) -> None:
        started = perf_counter()
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        answer = ClientAnswer(send)
        request: Request | None = None
        exchange: Exchange | None = None
        note = ""
        cut = False
        try:
            request = await self._read_request(scope, receive, answer)
            if request is not None:
                exchange = self._begin_exchange(request)
                await self._forward(exchange, answer, receive)
                note = "; ".join(exchange.remarks)
                if note:
                    note = mask_remark(note, request, self._known())
                cut = not answer.ended
                if cut:
                    note = f"{note}; cut" if note else "cut"
        except ClientGone:
            note = "client gone"
        except asyncio.CancelledError:
            if not self._cut_off or task.uncancel() > 0:
                raise
            note = "stopped"
            await self._fail(answer, scope, "ruleproxy is stopping", status=503)
        except UnsendableRequest as error:
            note = str(error)
            await self._fail(answer, scope, f"the request cannot be sent to the upstream: {error}")
        except Exception:  # noqa: BLE001 - the client gets an answer and the log the traceback, whatever it was
            told = Request(scope["method"], scope["raw_path"], scope["query_string"], [*scope["headers"]], b"")
            shown = mask_traceback(request or told, self._known())
            _log.error("unexpected failure of %s %s\n%s", scope["method"], show_target(scope["raw_path"], b""), shown)
            note = "unexpected failure"
            await self._fail(answer, scope, "ruleproxy failed unexpectedly, its log says how")
        finally:
            self._running.discard(task)
            ended = perf_counter()
            entry = Entry(
                scope["method"],
                scope["raw_path"],
                scope["query_string"],
                answer.status or _CLIENT_GONE,
                None if answer.first is None else answer.first - started,
                ended - started,
                answer.size,
                () if exchange is None else exchange.acted,
                _find_session(scope),
                note,
                0 if exchange is None else exchange.retries,
                cut,
            )
            self._account_for(entry)

    def _account_for(self, entry: Entry) -> None:
        self._access_log.write(entry)
        self._traffic.count(entry)

    async def _forward(self, exchange: Exchange, answer: ClientAnswer, receive: AsgiReceive) -> None:
        watch = _Watch(receive)
        try:
            await self._forwarder.forward(exchange, answer)
        except asyncio.CancelledError:
            if watch.gone:
                task = asyncio.current_task()
                if task is not None and task.uncancel() == 0:
                    raise ClientGone from None
            raise
        finally:
            watch.stop()

    async def _read_request(self, scope: dict[str, Any], receive: AsgiReceive, answer: ClientAnswer) -> Request | None:
        headers = scope["headers"]
        body_limit = self._limits.body
        refusal = find_refusal(scope, headers, header_limit=self._limits.headers, body_limit=body_limit)
        raw_path: bytes = scope["raw_path"]
        prefix = self._prefix
        if refusal is not None:
            await self._refuse(answer, scope, refusal.status, refusal.message, receive)
            return None
        if prefix and not (raw_path.startswith(prefix) and raw_path[len(prefix) :][:1] in (b"/", b"")):
            await self._refuse(answer, scope, 404, f"nothing is served outside {prefix.decode()}", receive)
            return None
        try:
            body = await _read_body(receive, body_limit, self._timeouts.client)
        except BodyTooLarge:
            await self._refuse(answer, scope, 413, say_too_large(body_limit), receive)
            return None
        except BodyTooSlow:
            await self._refuse(answer, scope, 408, "the request's body stopped coming", receive)
            return None
        return Request(
            scope["method"],
            raw_path[len(prefix) :] or b"/",
            scope["query_string"],
            strip_hop_by_hop(headers),
            body,
        )

    async def _refuse(
        self, answer: ClientAnswer, scope: dict[str, Any], status: int, message: str, receive: AsgiReceive
    ) -> None:
        await answer.refuse(status, message, api_of(scope["path"]), close=True)
        if status == 413:
            # Closing with unread bytes resets the connection, and the reset may overtake the answer: so the
            # client gets a moment to read it. Its length tells it that it is complete.
            try:
                async with asyncio.timeout(_DRAIN_SECONDS):
                    await _drain(receive)
            except TimeoutError:
                pass
        await answer.end()

    async def _refuse_websocket(self, scope: dict[str, Any], send: AsgiSend) -> None:
        started = perf_counter()

        async def send_instead(message: dict[str, Any]) -> None:
            await send({**message, "type": f"websocket.{message['type']}"})

        answer = ClientAnswer(send_instead)
        # Agents that try a websocket first take this status for: ask by HTTP.
        await answer.refuse(426, "websockets are not forwarded: ask by HTTP", api_of(scope["path"]))
        await answer.end()
        entry = Entry(
            "GET",
            scope["raw_path"],
            scope["query_string"],
            answer.status,
            None if answer.first is None else answer.first - started,
            perf_counter() - started,
            answer.size,
            note="a websocket",
        )
        self._account_for(entry)

    async def _fail(self, answer: ClientAnswer, scope: dict[str, Any], message: str, *, status: int = 500) -> None:
        # After the head only the missing end of the body can tell the client that something went wrong.
        if answer.status == 0:
            await answer.refuse(status, message, api_of(scope["path"]))
            await answer.end()

    async def _live(self, receive: AsgiReceive, send: AsgiSend) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                if self._on_start is not None:
                    self._on_start()
                await send({"type": "lifespan.startup.complete"})
            else:
                await self._forwarder.transport.aclose()
                if self._on_stop is not None:
                    await asyncio.to_thread(self._on_stop)
                self._access_log.flush()
                await send({"type": "lifespan.shutdown.complete"})
                return


class _Watch:
    """Cancels the current task when the client goes away."""

    __slots__ = ("_receive", "_task", "_timer", "_watcher", "gone")

    def __init__(self, receive: AsgiReceive) -> None:
        self.gone = False
        self._receive = receive
        self._task = asyncio.current_task()
        self._watcher: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(_WATCH_AFTER, self._begin)

    def stop(self) -> None:
        """Watch no longer."""
        self._timer.cancel()
        if self._watcher is not None:
            self._watcher.cancel()

    def _begin(self) -> None:
        self._watcher = asyncio.create_task(self._wait())

    async def _wait(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.gone = True
        assert self._task is not None
        self._task.cancel()


async def _read_body(receive: AsgiReceive, limit: int, silence: float) -> bytes:
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(silence) as timeout:
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGone
                part: bytes = message.get("body", b"")
                if part:
                    size += len(part)
                    if size > limit:
                        raise BodyTooLarge
                    parts.append(part)
                if not message.get("more_body", False):
                    return parts[0] if len(parts) == 1 else b"".join(parts)
                timeout.reschedule(asyncio.get_running_loop().time() + silence)
    except TimeoutError:
        raise BodyTooSlow from None


async def _drain(receive: AsgiReceive) -> None:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            return


def _find_session(scope: dict[str, Any]) -> bytes:
    for name, value in scope["headers"]:
        if len(name) == 24 and name.lower() == b"x-claude-code-session-id":
            session: bytes = value
            return session
    return b""
