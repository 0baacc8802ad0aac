"""What `serve` is told: defaults, then `ruleproxy.toml`, then `RULEPROXY_*`, then flags; the later wins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from ruleproxy.engine.secret_texts import SecretUnreadable
from ruleproxy.messages.upstreams import Upstream
from ruleproxy.proxy.forward_proxies import BadProxy, read_proxies
from ruleproxy.proxy.routes import Patience, Route, Routes, Trust
from ruleproxy.proxy.secret_sources import SecretSource, SecretSources, read_secret_now
from ruleproxy.proxy.setting_sources import BadSetting, Given, Sources, read_sources
from ruleproxy.proxy.setting_values import (
    parse_base_path,
    parse_command,
    parse_count,
    parse_file,
    parse_listen,
    parse_log_format,
    parse_path,
    parse_paths,
    parse_patience,
    parse_proxy_setting,
    parse_seconds,
    parse_share,
    parse_signature,
    parse_size,
    parse_switch,
    parse_text,
    parse_variable,
)

if TYPE_CHECKING:
    from ruleproxy.proxy.access_log import LogFormat

__all__ = ["BadSetting", "Limits", "Recording", "Settings", "Timeouts", "read_settings"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes: of a request's body (and of an answer that is needed whole), of its line and headers together,
    and of a body once it is decompressed.
    """

    body: int = 64 * 1024 * 1024
    headers: int = 64 * 1024
    decoded: int = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds: of silence within a client's body, of rest between a client's requests, and for what is under way when
    the proxy is told to stop. Those for upstreams are in `ruleproxy.proxy.routes.Patience`.
    """

    client: float = 60.0
    keep_alive: float = 75.0
    stop: float = 5.0


@dataclass(frozen=True, slots=True)
class Recording:
    """What `record` writes: a part of the exchanges (1.0: all), at most so many files, bytes together and bytes of one
    body, only exchanges that fit a condition; `paused` until the control page says so.
    """

    sample: float = 1.0
    files: int = 10_000
    bytes: int = 1024 * 1024 * 1024
    body: int = 8 * 1024 * 1024
    only: str | None = None
    paused: bool = False


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything `serve` needs. The first of `upstreams` is the default one; `routes` says how each is reached."""

    upstreams: Mapping[str, Upstream]
    rules: tuple[Path, ...] = (Path("rules"),)
    host: str = "127.0.0.1"
    port: int = 8787
    base_path: str = "/"
    allow_remote: bool = False
    record: Path | None = None
    shadow: tuple[Path, ...] = ()
    shadow_record: Path | None = None
    log_format: LogFormat = "text"
    limits: Limits = field(default_factory=Limits)
    timeouts: Timeouts = field(default_factory=Timeouts)
    recording: Recording = field(default_factory=Recording)
    routes: Routes = field(default_factory=dict)
    secrets: SecretSources = field(default_factory=dict)


_Parser = Callable[[object], Any]

_PATIENCE: Final = tuple(item.name for item in fields(Patience) if item.name != "by_rule")
_ROUTE: Final[Mapping[str, _Parser]] = {
    **{f"timeouts.{name}": parse_patience for name in _PATIENCE},
    "proxy": parse_proxy_setting,
    "ca_file": parse_file,
    "client_certificate": parse_file,
    "client_key": parse_file,
    "client_key_secret": parse_variable,
}
"""How upstreams are reached: for all of them, or for one in its own table."""

_PLAIN: Final[Mapping[str, _Parser]] = {
    "rules": parse_paths,
    "listen": parse_listen,
    "base_path": parse_base_path,
    "allow_remote": parse_switch,
    "record": parse_path,
    "shadow": parse_paths,
    "shadow_record": parse_path,
    "log_format": parse_log_format,
    **{f"limits.{item.name}": parse_size for item in fields(Limits)},
    **{f"timeouts.{item.name}": parse_seconds for item in fields(Timeouts)},
    "recording.sample": parse_share,
    "recording.files": parse_count,
    "recording.bytes": parse_size,
    "recording.body": parse_size,
    "recording.only": parse_text,
    "recording.paused": parse_switch,
    **_ROUTE,
}
_OF_UPSTREAM: Final[Mapping[str, _Parser]] = {
    "url": parse_text,
    "sign": parse_signature,
    "region": parse_text,
    "service": parse_text,
    **_ROUTE,
}
_OF_SECRET: Final[Mapping[str, _Parser]] = {
    "command": parse_command,
    "file": parse_path,
    "variable": parse_variable,
    "lifetime": parse_seconds,
    "timeout": parse_seconds,
}

SOURCES: Final = Sources(
    plain=tuple(_PLAIN),
    tables=MappingProxyType({"upstreams": tuple(_OF_UPSTREAM), "secrets": tuple(_OF_SECRET)}),
    paths=frozenset(
        {"rules", "record", "shadow", "shadow_record", "ca_file", "client_certificate", "client_key", "file"}
    ),
    commands=frozenset({"command"}),
)
"""The names that settings have."""


def read_settings(flags: Mapping[str, object], environment: Mapping[str, str], config: Path | None = None) -> Settings:
    """Settings from all sources. `flags` has the keys of the file and only those that were given.

    Raises BadSetting, and OSError where a named `config` cannot be read.
    """
    given, names = read_sources(SOURCES, flags, environment, config)
    plain = {key: _parse(_PLAIN[key], key, item) for key, item in given.items() if key in _PLAIN}
    of_upstreams = _parse_table(given, "upstreams", _OF_UPSTREAM)
    sources = {
        name: _make_source(name, options, given) for name, options in _parse_table(given, "secrets", _OF_SECRET).items()
    }
    if not names:
        raise BadSetting("no upstream is given: say --upstream URL, or name one under [upstreams] in ruleproxy.toml")
    for name in of_upstreams:
        if name not in names:
            raise BadSetting(f"upstreams.{name} ({_place(given, f'upstreams.{name}.')}): it has no url")
    return Settings(
        upstreams={name: _make_upstream(name, of_upstreams[name], given) for name in names},
        limits=Limits(**_part(plain, "limits", Limits)),
        timeouts=Timeouts(**_part(plain, "timeouts", Timeouts)),
        recording=Recording(**_part(plain, "recording", Recording)),
        routes={name: _make_route(name, plain, of_upstreams[name], given, environment, sources) for name in names},
        secrets=sources,
        **dict(zip(("host", "port"), plain.pop("listen", ()), strict=False)),
        **{key: value for key, value in plain.items() if "." not in key and key not in _ROUTE},
    )


def _parse(parser: _Parser, key: str, given: Given) -> Any:
    try:
        return parser(given.value)
    except ValueError as error:
        raise BadSetting(f"{key} ({given.source}): {error}") from None


def _parse_table(given: Mapping[str, Given], table: str, parsers: Mapping[str, _Parser]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for key, item in given.items():
        head, _, rest = key.partition(".")
        if head == table:
            name, _, option = rest.partition(".")
            found.setdefault(name, {})[option] = _parse(parsers[option], key, item)
    return found


def _part(plain: Mapping[str, Any], table: str, part: type) -> dict[str, Any]:
    return {item.name: plain[key] for item in fields(part) if (key := f"{table}.{item.name}") in plain}


def _place(given: Mapping[str, Given], prefix: str) -> str:
    return next(item.source for key, item in given.items() if key.startswith(prefix))


def _make_upstream(name: str, options: Mapping[str, Any], given: Mapping[str, Given]) -> Upstream:
    key = f"upstreams.{name}.url"
    try:
        return Upstream.from_url(name, options["url"], sign=options.get("sign"))
    except ValueError as error:
        raise BadSetting(f"upstreams.{name} ({given[key].source}): {error}") from None


def _make_source(name: str, options: Mapping[str, Any], given: Mapping[str, Given]) -> SecretSource:
    place = f"secrets.{name} ({_place(given, f'secrets.{name}.')})"
    if not name.isidentifier():
        raise BadSetting(f"{place}: the name of a secret has letters, digits and _")
    if len(options.keys() & {"command", "file", "variable"}) != 1:
        raise BadSetting(f"{place}: expected one of command, file and variable")
    return SecretSource(name, **options)


def _make_route(
    name: str,
    plain: Mapping[str, Any],
    own: Mapping[str, Any],
    given: Mapping[str, Given],
    environment: Mapping[str, str],
    sources: SecretSources,
) -> Route:
    values = {key: own.get(key, plain.get(key)) for key in _ROUTE}
    if values["client_key"] is not None and values["client_certificate"] is None:
        raise BadSetting(f"upstreams.{name}: client_key is given without client_certificate")
    patience = {key: values[f"timeouts.{key}"] for key in _PATIENCE if values[f"timeouts.{key}"] is not None}
    ca_files = dict.fromkeys(file for file in (plain.get("ca_file"), own.get("ca_file")) if file is not None)
    password = None
    if (secret := values["client_key_secret"]) is not None:
        key = next(k for k in (f"upstreams.{name}.client_key_secret", "client_key_secret") if k in given)
        try:
            password = read_secret_now(secret, environment, sources)
        except SecretUnreadable as error:
            raise BadSetting(f"{key} ({given[key].source}): {error}") from None
    try:
        proxies = read_proxies(values["proxy"], environment)
    except BadProxy as error:
        raise BadSetting(f"upstreams.{name}: {error}") from None
    trust = Trust(tuple(ca_files), values["client_certificate"], values["client_key"], password)
    return Route(Patience(**patience), proxies, trust, own.get("region"), own.get("service"))
