"""`ruleproxy run`: one command with a proxy of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ruleproxy.commands._where import stop

if TYPE_CHECKING:
    from ruleproxy.proxy.app import ProxyApp
    from ruleproxy.proxy.settings import Settings

CANNOT_START = 125
"""What `env` and `timeout` say too when it is they, not the command, that failed."""

_FORWARDED = ("SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2")
# A terminal sends these to the command itself; only without one do they have to be passed on.
_FROM_TERMINAL = ("SIGINT", "SIGQUIT")
_BASE_URL = "ANTHROPIC_BASE_URL"


@click.command(
    name="run",
    short_help="Run one command with a proxy of its own.",
    context_settings={"ignore_unknown_options": False, "allow_interspersed_args": False},
)
@click.option("--rules", multiple=True, metavar="DIR", help="A folder of rules; may be given more than once.")
@click.option("--upstream", multiple=True, metavar="[NAME=]URL", help="An upstream; the first is the default.")
@click.option("--ca-file", metavar="FILE", help="Certificate authorities to trust besides the system's.")
@click.option("--set", "pairs", multiple=True, metavar="KEY=VALUE", help="Any setting: timeouts.idle=60.")
@click.option("--config", type=click.Path(path_type=Path), help="Settings (ruleproxy.toml, if there is one).")
@click.option("--record", metavar="DIR", help="Write what passes as captures, credentials masked.")
@click.option(
    "--env", "names", multiple=True, metavar="NAME[=PATH]", help="Set NAME to the proxy's URL (and PATH) too."
)
@click.argument("arguments", nargs=-1, required=True, metavar="-- COMMAND…")
def command(
    rules: tuple[str, ...],
    upstream: tuple[str, ...],
    ca_file: str | None,
    pairs: tuple[str, ...],
    config: Path | None,
    record: str | None,
    names: tuple[str, ...],
    arguments: tuple[str, ...],
) -> None:
    """Run COMMAND with ANTHROPIC_BASE_URL naming a proxy that lives as long as it does.

    Without --upstream the present ANTHROPIC_BASE_URL is the upstream. The exit code is the command's (128 + n where
    signal n ended it), or 125 if it could not be started.
    """
    from ruleproxy.commands._starting import CannotStart, load_in_force, log_to
    from ruleproxy.proxy.assembly import assemble, declared_upstreams
    from ruleproxy.proxy.server import CannotListen, open_listener, run_in_loop, url_of
    from ruleproxy.proxy.settings import BadSetting, read_settings

    environment = dict(os.environ)
    if not upstream and environment.get(_BASE_URL):
        environment.setdefault("RULEPROXY_UPSTREAMS", environment[_BASE_URL])
    flags = {"rules": rules, "upstreams": upstream, "record": record, "ca_file": ca_file, "set": pairs}
    flags["listen"] = "127.0.0.1:0"
    descriptor, log = tempfile.mkstemp(prefix="ruleproxy-", suffix=".log")
    stream = os.fdopen(descriptor, "a", buffering=1, encoding="utf-8")
    log_to(stream)
    try:
        settings = read_settings({key: value for key, value in flags.items() if value}, environment, config)
        in_force = load_in_force(settings, named=bool(rules))
        listener = open_listener(settings.host, settings.port, allow_remote=False)
        app = assemble(settings, listener, in_force, log_to=stream.fileno())
    except (BadSetting, OSError, CannotListen, CannotStart) as error:
        stream.close()
        Path(log).unlink()
        stop(CANNOT_START, str(error))
    url = url_of(listener)
    click.echo(f"ruleproxy: {url} -> {declared_upstreams(settings)[0].base_url}, log in {log}", err=True)
    run = _Run(app, settings, arguments, child_environment(os.environ, url, names))
    sys.exit(run_in_loop(run.run(listener)))


def child_environment(
    environment: os._Environ[str] | dict[str, str], url: str, names: tuple[str, ...]
) -> dict[str, str]:
    """The environment of the command: base URLs that name the proxy, reached without another proxy between."""
    child = dict(environment)
    child[_BASE_URL] = url
    for item in names:
        name, _, path = item.partition("=")
        child[name] = url + path
    if any(child.get(name) for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")):
        for name in ("NO_PROXY", "no_proxy"):
            child[name] = ",".join(filter(None, (child.get(name), "127.0.0.1")))
    return child


class _Run:
    """One command and its proxy in one event loop."""

    def __init__(
        self, app: ProxyApp, settings: Settings, arguments: tuple[str, ...], environment: dict[str, str]
    ) -> None:
        self._app = app
        self._settings = settings
        self._arguments = arguments
        self._environment = environment

    async def run(self, listener: object) -> int:
        """Start both, wait for the command, stop the proxy. Gives the exit code."""
        import socket

        from ruleproxy.proxy.server import serve_until, tune_memory

        assert isinstance(listener, socket.socket)
        stopping = asyncio.Event()
        tune_memory()
        server = asyncio.create_task(serve_until(self._app, listener, self._settings, stopping))
        try:
            return await self._run_command()
        finally:
            stopping.set()
            self._app.cut_off()
            await server

    async def _run_command(self) -> int:
        loop = asyncio.get_running_loop()
        waiting: list[int] = []
        process: subprocess.Popen[bytes] | None = None

        def forward(number: int) -> None:
            if process is None:
                waiting.append(number)
            else:
                process.send_signal(number)

        terminal = _terminal_sends_signals()
        for name in (*_FORWARDED, *_FROM_TERMINAL):
            number = getattr(signal, name, None)
            # One that is ignored (under nohup, say) is ignored by the command too, which inherits that.
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                passed_on = name in _FORWARDED or not terminal
                loop.add_signal_handler(number, forward if passed_on else _ignore, number)
        try:
            # Not the loop's own way to start processes: uvloop's gives the command none of the ignored signals.
            process = subprocess.Popen(self._arguments, env=self._environment)  # noqa: ASYNC220, S603
        except OSError as error:
            click.echo(
                f"ruleproxy: cannot run {self._arguments[0]}: {(error.strerror or str(error)).lower()}", err=True
            )
            return CANNOT_START
        for number in waiting:
            forward(number)
        code = await asyncio.to_thread(process.wait)
        return code if code >= 0 else 128 - code


def _terminal_sends_signals() -> bool:
    """Whether Ctrl-C reaches the command without us: both of us run in a terminal's foreground."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


def _ignore(_: int) -> None:
    """The terminal has told the command itself."""
