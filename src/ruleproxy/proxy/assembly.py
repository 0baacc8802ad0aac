"""The parts of a running proxy, put together."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ruleproxy import __version__
from ruleproxy.engine.arriving import Limits as ExchangeLimits
from ruleproxy.engine.exchange import Exchange
from ruleproxy.engine.trace import to_dict
from ruleproxy.engine.tracing import trace_exchange
from ruleproxy.messages.message import Request
from ruleproxy.messages.upstreams import Upstream
from ruleproxy.proxy.access_log import AccessLog
from ruleproxy.proxy.admin import make_control_app
from ruleproxy.proxy.app import ProxyApp
from ruleproxy.proxy.capturing import Recorder, RecordLimits
from ruleproxy.proxy.forward_proxies import BadProxy
from ruleproxy.proxy.forwarding import Exchange as ForwardedExchange
from ruleproxy.proxy.forwarding import Forwarder
from ruleproxy.proxy.live_secrets import LiveSecrets
from ruleproxy.proxy.metrics import Traffic, render_metrics
from ruleproxy.proxy.outgoing import Outgoing
from ruleproxy.proxy.recording import Recording, RecordingForwarder
from ruleproxy.proxy.reloading import RulesInForce
from ruleproxy.proxy.server import url_of
from ruleproxy.proxy.settings import BadSetting, Settings
from ruleproxy.proxy.shadowing import BODY_LIMIT as SHADOW_BODY_LIMIT
from ruleproxy.proxy.shadowing import Shadow
from ruleproxy.proxy.signing import CannotSign, check_botocore
from ruleproxy.proxy.tls import BadTrust
from ruleproxy.proxy.transport import SocketTransport
from ruleproxy.rehearsal.conditions import Condition

_log = logging.getLogger("ruleproxy")


def assemble(
    settings: Settings,
    listener: socket.socket,
    rules: RulesInForce,
    *,
    shadow_rules: RulesInForce | None = None,
    begin: Callable[[Request], Exchange] | None = None,
    log_to: int = 2,
) -> ProxyApp:
    """The application for `run_server`: every request goes through the rules that are in force when it comes.

    Says `listening on URL` in the log once clients are served, and watches the rules from then on. `shadow_rules` are
    compared with them on what passes. `begin` makes another exchange of a request than the usual one; `log_to` is the
    file descriptor of the line that each gets. Raises `BadCondition` where what is recorded is chosen by none.
    """
    url = url_of(listener)
    started = time.time()
    upstreams = declared_upstreams(settings)
    limits = make_limits(settings)
    tasks: set[asyncio.Task[None]] = set()
    outgoing = make_outgoing(settings)
    traffic = Traffic()

    def known() -> list[bytes]:
        sets = (rules,) if shadow_rules is None else (rules, shadow_rules)
        own = [secret.encode() for in_force in sets for secret in in_force.current.secrets]
        return own + outgoing.known()

    recorder = None if settings.record is None else make_recorder(settings.record, settings, known)
    shadow = None if shadow_rules is None else make_shadow(settings, shadow_rules, known)
    keepers: list[Recorder | Shadow] = [keeper for keeper in (recorder, shadow) if keeper is not None]
    body_limit = SHADOW_BODY_LIMIT if recorder is None else recorder.body_limit

    def make_exchange(request: Request, *, detailed: bool = False) -> Exchange:
        return Exchange(
            rules.current,
            request,
            upstreams,
            detailed=detailed,
            limits=limits,
            observe=rules.observe,
            learned=rules.learned,
        )

    def begin_kept(request: Request) -> ForwardedExchange:
        taking = [keeper for keeper in keepers if keeper.takes()]
        if not taking:
            return make_exchange(request)
        detailed = recorder in taking
        exchange = make_exchange(request, detailed=detailed)
        trace = (lambda: to_dict(trace_exchange(exchange))) if detailed else None
        return Recording(exchange, request, taking, body_limit, trace)

    def show_status() -> dict[str, object]:
        return {
            "version": __version__,
            "listening": url,
            "uptime_seconds": round(time.time() - started, 1),
            "upstreams": {upstream.name: upstream.origin + upstream.base for upstream in upstreams},
            "requests": traffic.status(),
            **rules.status(),
            **({} if recorder is None else {"recording": recorder.status()}),
            **({} if shadow is None else {"shadow": shadow.status()}),
        }

    def start() -> None:
        tasks.add(asyncio.get_running_loop().create_task(rules.watch()))
        _log.info("%s", rules.describe())
        if shadow is not None:
            tasks.add(asyncio.get_running_loop().create_task(shadow.rules.watch()))
            _log.info("in shadow: %s", shadow.rules.describe())
        if outgoing.secrets is not None:
            tasks.add(asyncio.get_running_loop().create_task(outgoing.secrets.prepare(rules.current.secrets)))
        _log.info("listening on %s", url)

    def stop() -> None:
        for keeper in keepers:
            keeper.close()

    forwarder = RecordingForwarder if keepers else Forwarder
    return ProxyApp(
        begin or (begin_kept if keepers else make_exchange),
        forwarder(make_transport(settings), outgoing),
        AccessLog(log_to, settings.log_format),
        control=make_control_app(
            show_status,
            lambda: render_metrics(traffic, rules.status()),
            lambda: rules.learned.text,
            lambda: rules.forget("the control page was asked to"),
            recorder,
        ),
        limits=settings.limits,
        timeouts=settings.timeouts,
        base_path=settings.base_path,
        traffic=traffic,
        known=known,
        on_start=start,
        on_stop=stop if keepers else None,
    )


def make_recorder(folder: Path, settings: Settings, known: Callable[[], Sequence[bytes]]) -> Recorder:
    """What writes captures to a folder; `known` are the secrets of the rules. Raises `BadCondition`."""
    asked = settings.recording
    condition = None if asked.only is None else Condition(asked.only, declared_upstreams(settings), "the condition")
    return Recorder(
        folder,
        RecordLimits(sample=asked.sample, files=asked.files, total=asked.bytes, body=asked.body),
        known=known,
        wanted=None if condition is None else condition.holds,
        paused=asked.paused,
    )


def make_shadow(settings: Settings, rules: RulesInForce, known: Callable[[], Sequence[bytes]]) -> Shadow:
    """What compares a second set of rules with the live one; `known` are the secrets of both."""
    samples = None if settings.shadow_record is None else Recorder(settings.shadow_record, known=known)
    return Shadow(rules, declared_upstreams(settings), samples=samples, known=known, limits=make_limits(settings))


def make_limits(settings: Settings) -> ExchangeLimits:
    """What one exchange may hold in memory."""
    return ExchangeLimits(answer=settings.limits.body, decoded=settings.limits.decoded)


def make_transport(settings: Settings) -> SocketTransport:
    """The way to the upstreams. Raises `BadSetting` for certificates and proxies that cannot be used."""
    transport = SocketTransport(settings.routes, environment=os.environ)
    try:
        transport.check((upstream.name, upstream.origin) for upstream in settings.upstreams.values())
    except (BadTrust, BadProxy) as error:
        raise BadSetting(str(error)) from None
    return transport


def make_outgoing(settings: Settings) -> Outgoing:
    """What is done to requests after the last edit. Raises `BadSetting` where nothing can sign."""
    if any(upstream.sign is not None for upstream in settings.upstreams.values()):
        try:
            check_botocore()
        except CannotSign as error:
            raise BadSetting(str(error)) from None
    secrets = LiveSecrets(settings.secrets) if settings.secrets else None
    return Outgoing(settings.routes, secrets)


def declared_upstreams(settings: Settings) -> tuple[Upstream, ...]:
    """The upstreams that rules may name, the default one first."""
    return tuple(settings.upstreams.values())
