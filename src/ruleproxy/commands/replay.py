"""`ruleproxy replay`: captured requests sent for real, and their answers beside those that were recorded."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from ruleproxy.commands._loading import load_or_stop
from ruleproxy.commands._where import stop
from ruleproxy.language.counts import count

if TYPE_CHECKING:
    from ruleproxy.captures.capture import Capture
    from ruleproxy.engine.ruleset import Ruleset
    from ruleproxy.messages.upstreams import Upstream
    from ruleproxy.proxy.forwarding import Forwarder

_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


@click.command(name="replay", short_help="Send captured requests for real and compare the answers.")
@click.argument("captures", nargs=-1, required=True, metavar="CAPTURE…", type=click.Path(path_type=Path))
@click.option("--upstream", multiple=True, required=True, metavar="[NAME=]URL", help="Where to send it; required.")
@click.option("--rules", multiple=True, metavar="DIR", type=click.Path(path_type=Path), help="Rules (./rules).")
@click.option("--header", multiple=True, metavar="'NAME: VALUE'", help="In place of a masked one; ${NAME} is read from "
              "the environment.")  # fmt: skip
@click.option("--exact", is_flag=True, help="Compare the values of whole answers, not only their shape.")
@click.option("--config", type=click.Path(path_type=Path), help="Settings (ruleproxy.toml, if there is one).")
def command(
    captures: tuple[Path, ...],
    upstream: tuple[str, ...],
    rules: tuple[Path, ...],
    header: tuple[str, ...],
    exact: bool,
    config: Path | None,
) -> None:
    """Send captured requests through the rules to an upstream, one after the other.

    What comes back is compared with what was recorded: status, form, the members of a body, the events of a stream.
    This costs what such requests cost.

    Exit codes: 0 nothing differs, 1 something does, 2 usage, or what cannot be read.
    """
    from ruleproxy.proxy.assembly import declared_upstreams, make_outgoing, make_transport
    from ruleproxy.proxy.forwarding import Forwarder
    from ruleproxy.proxy.live_secrets import rules_environment
    from ruleproxy.proxy.settings import BadSetting, read_settings

    headers = dict(_read_header(text) for text in header)
    flags = {"upstreams": upstream, "rules": rules}
    try:
        settings = read_settings({key: value for key, value in flags.items() if value}, os.environ, config)
        forwarder = Forwarder(make_transport(settings), make_outgoing(settings))
    except (BadSetting, OSError) as error:
        stop(2, str(error))
    upstreams = declared_upstreams(settings)
    environment = rules_environment(settings.secrets, os.environ)
    ruleset = load_or_stop(settings.rules, "nothing was sent", upstreams=upstreams, environment=environment)
    given = [os.environ[variable].encode() for text in header for variable in _VARIABLE.findall(text)]

    def known() -> list[bytes]:
        return [*given, *(secret.encode() for secret in ruleset.secrets), *forwarder.outgoing.known()]

    sys.exit(asyncio.run(_replay_all(captures, ruleset, upstreams, headers, forwarder, known, exact=exact)))


def _read_header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        stop(2, f"--header {text[:60]!r}: expected 'NAME: VALUE'")
    missing = [variable for variable in _VARIABLE.findall(value) if variable not in os.environ]
    if missing:
        stop(2, f"--header {name}: {missing[0]} is not set in the environment")
    return name.strip(), _VARIABLE.sub(lambda found: os.environ[found[1]], value.strip())


async def _replay_all(
    paths: Sequence[Path],
    ruleset: Ruleset,
    upstreams: tuple[Upstream, ...],
    headers: dict[str, str],
    forwarder: Forwarder,
    known: Callable[[], Sequence[bytes]],
    *,
    exact: bool,
) -> int:
    from ruleproxy.captures.finding import find_captures
    from ruleproxy.captures.reading import BadCapture

    replayed = differing = unreadable = 0
    try:
        for source in (source for path in paths for source in find_captures(path)):
            try:
                capture = source.read()
            except BadCapture as bad:
                click.echo(f"ruleproxy: {bad}", err=True)
                unreadable += 1
                continue
            lines = await _replay_one(capture, ruleset, upstreams, headers, forwarder, known, exact=exact)
            replayed += 1
            differing += len(lines) > 1
            click.echo(f"{source.name}  {lines[0]}")
            for line in lines[1:]:
                click.echo(line)
    finally:
        await forwarder.transport.aclose()
    if not replayed and not unreadable:
        stop(2, f"no captures in {', '.join(map(str, paths))}")
    said = f"{count(replayed, 'capture')} replayed: {differing or 'none'} answered otherwise than recorded"
    click.echo(said + (f", {unreadable} that cannot be read" if unreadable else ""))
    return 2 if unreadable else 1 if differing else 0


async def _replay_one(
    capture: Capture,
    ruleset: Ruleset,
    upstreams: tuple[Upstream, ...],
    headers: dict[str, str],
    forwarder: Forwarder,
    known: Callable[[], Sequence[bytes]],
    *,
    exact: bool,
) -> list[str]:
    """One line on what came of it, then one for each difference."""
    from ruleproxy.engine.exchange import Exchange
    from ruleproxy.engine.trace_text import render_edits
    from ruleproxy.proxy.failures import UnsendableRequest
    from ruleproxy.proxy.replaying import find_masks, mask_answer, prepare_request, replay
    from ruleproxy.rehearsal.likeness import compare_answers

    request = prepare_request(capture, headers)
    if masked := find_masks(request):
        places = ", ".join(masked)
        click.echo(f"ruleproxy: masked, and sent so: {places} (--header gives what the upstream wants)", err=True)
    try:
        got = await replay(lambda sent: Exchange(ruleset, sent, upstreams), forwarder, request)
    except UnsendableRequest as error:
        return ["not sent", f"  {error}"]
    asked = f"{request.method} {request.raw_path.decode('latin-1')}  {got.status or 'no answer'}"
    recorded = capture.answer or capture.response
    if recorded is None or recorded.withheld:
        return [f"{asked}, and no answer was recorded to compare it with"]
    edits = compare_answers(recorded, mask_answer(got, request, known()), exact=exact)
    return [asked if edits else f"{asked}, as recorded", *render_edits(edits)]
