"""`ruleproxy serve`: the proxy itself."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from ruleproxy.commands._where import stop


@click.command(name="serve", short_help="Run the proxy until it is stopped.")
@click.option("--rules", multiple=True, metavar="DIR", help="A folder of rules; may be given more than once.")
@click.option("--upstream", multiple=True, metavar="[NAME=]URL", help="An upstream; the first is the default.")
@click.option("--listen", metavar="HOST:PORT", help="Where clients connect (127.0.0.1:8787; port 0: any free).")
@click.option("--ca-file", metavar="FILE", help="Certificate authorities to trust besides the system's.")
@click.option("--set", "pairs", multiple=True, metavar="KEY=VALUE", help="Any setting: timeouts.idle=60.")
@click.option("--config", type=click.Path(path_type=Path), help="Settings (ruleproxy.toml, if there is one).")
@click.option("--record", metavar="DIR", help="Write what passes as captures, credentials masked.")
@click.option("--record-sample", metavar="PART", help="Record a part of the exchanges: 0.1 is every tenth.")
@click.option("--record-only", metavar="CONDITION", help="Record what fits: 'response.status >= 400'.")
@click.option("--record-files", metavar="N", help="Captures in the folder, at most (10000).")
@click.option("--record-bytes", metavar="N", help="Bytes of captures in the folder, at most (1 GiB).")
@click.option("--record-body", metavar="N", help="Bytes of one body in a capture, at most (8 MiB).")
@click.option("--record-paused", is_flag=True, help="Record only once the control page says so.")
@click.option("--shadow", multiple=True, metavar="DIR", help="Rules to compare with those in force, not applied.")
@click.option("--shadow-record", metavar="DIR", help="Write a few captures of each difference that they make.")
@click.option("--log-format", metavar="text|json", help="How the line of each request looks.")
@click.option("--base-path", metavar="PATH", help="What client paths begin with; it is not passed on.")
@click.option("--allow-remote", is_flag=True, help="Allow an address that is not loopback.")
def command(
    rules: tuple[str, ...],
    upstream: tuple[str, ...],
    listen: str | None,
    ca_file: str | None,
    pairs: tuple[str, ...],
    config: Path | None,
    record: str | None,
    record_sample: str | None,
    record_only: str | None,
    record_files: str | None,
    record_bytes: str | None,
    record_body: str | None,
    record_paused: bool,
    shadow: tuple[str, ...],
    shadow_record: str | None,
    log_format: str | None,
    base_path: str | None,
    allow_remote: bool,
) -> None:
    """Serve until stopped.

    Exit codes: 0 stopped, 1 the rules are broken or the address is taken, 2 usage.
    """
    from ruleproxy.commands._starting import CannotStart, load_in_force, load_shadow, log_to
    from ruleproxy.proxy.assembly import assemble
    from ruleproxy.proxy.server import CannotListen, open_listener, run_server
    from ruleproxy.proxy.settings import BadSetting, read_settings
    from ruleproxy.rehearsal.conditions import BadCondition

    flags = {
        "rules": rules,
        "upstreams": upstream,
        "listen": listen,
        "record": record,
        "recording.sample": record_sample,
        "recording.only": record_only,
        "recording.files": record_files,
        "recording.bytes": record_bytes,
        "recording.body": record_body,
        "recording.paused": record_paused or None,
        "shadow": shadow,
        "shadow_record": shadow_record,
        "log_format": log_format,
        "base_path": base_path,
        "allow_remote": allow_remote or None,
        "ca_file": ca_file,
        "set": pairs,
    }
    log_to(sys.stderr)
    try:
        settings = read_settings({key: value for key, value in flags.items() if value}, os.environ, config)
    except (BadSetting, OSError) as error:
        stop(2, str(error))
    try:
        in_force = load_in_force(settings, named=bool(rules))
        shadow_rules = load_shadow(settings)
    except CannotStart as error:
        stop(error.code, str(error))
    try:
        listener = open_listener(settings.host, settings.port, allow_remote=settings.allow_remote)
    except CannotListen as error:
        stop(1, str(error))
    try:
        app = assemble(settings, listener, in_force, shadow_rules=shadow_rules)
    except BadSetting as error:
        stop(2, str(error))
    except BadCondition as error:
        stop(2, f"--record-only:\n{error}")
    run_server(app, listener, settings)
