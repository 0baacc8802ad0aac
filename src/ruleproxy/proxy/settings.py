"""What `serve` is told: defaults, then `ruleproxy.toml`, then `RULEPROXY_*`, then flags; the later wins."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple

from ruleproxy.messages.upstreams import Upstream
from ruleproxy.proxy.access_log import LogFormat

DEFAULT_CONFIG = Path("ruleproxy.toml")


class BadSetting(ValueError):
    """A setting that cannot be used; the text names it and where it came from."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes: of a request's body, and of its line and headers together."""

    body: int = 64 * 1024 * 1024
    headers: int = 64 * 1024


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds: to connect to an upstream, of silence from one, of silence within a client's body, of rest
    between a client's requests, and for what is under way when the proxy is told to stop.
    """

    connect: float = 10.0
    upstream: float = 600.0
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
    """Everything `serve` needs. The first of `upstreams` is the default one."""

    upstreams: Mapping[str, Upstream]
    rules: tuple[Path, ...] = (Path("rules"),)
    host: str = "127.0.0.1"
    port: int = 8787
    base_path: str = "/"
    allow_remote: bool = False
    record: Path | None = None
    recording: Recording = field(default_factory=Recording)
    log_format: LogFormat = "text"
    ca_file: Path | None = None
    limits: Limits = field(default_factory=Limits)
    timeouts: Timeouts = field(default_factory=Timeouts)


class Given(NamedTuple):
    """A value and, for messages, where it was given."""

    value: object
    source: str


def read_settings(flags: Mapping[str, object], environment: Mapping[str, str], config: Path | None = None) -> Settings:
    """Settings from all sources. `flags` has the keys of the file and only those that were given.

    Raises BadSetting, and OSError where a named `config` cannot be read.
    """
    given: dict[str, Given] = {}
    upstreams: list[dict[str, Upstream]] = []
    for source in (_read_file(config), _read_environment(environment), _read_flags(flags)):
        upstreams.append(_read_upstreams(source.pop("upstreams", None)))
        given.update(source)
    values: dict[str, Any] = {}
    for key, (value, place) in given.items():
        try:
            _set(values, key, value)
        except ValueError as error:
            raise BadSetting(f"{key} ({place}): {error}") from None
    merged: dict[str, Upstream] = {}
    for named in reversed(upstreams):
        merged = {**merged, **{name: upstream for name, upstream in named.items() if name not in merged}}
    if not merged:
        raise BadSetting("no upstream is given: say --upstream URL, or name one under [upstreams] in ruleproxy.toml")
    return Settings(
        upstreams=merged,
        limits=Limits(**values.pop("limits", {})),
        recording=Recording(**values.pop("recording", {})),
        timeouts=Timeouts(**values.pop("timeouts", {})),
        **values,
    )


def _set(values: dict[str, Any], key: str, value: object) -> None:
    table, _, name = key.rpartition(".")
    if table:
        values.setdefault(table, {})[name] = _PARSERS[key](value)
    elif key == "listen":
        values["host"], values["port"] = _parse_listen(value)
    else:
        values[key] = _PARSERS[key](value)


def _read_file(config: Path | None) -> dict[str, Given]:
    if config is None:
        if not DEFAULT_CONFIG.exists():
            return {}
        config = DEFAULT_CONFIG
    try:
        document = tomllib.loads(config.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadSetting(f"{config}: {error}") from None
    folder = config.parent
    given: dict[str, Given] = {}
    for key, value in document.items():
        if key in ("limits", "recording", "timeouts") and isinstance(value, dict):
            items = {f"{key}.{name}": item for name, item in value.items()}
        else:
            items = {key: value}
        for name, item in items.items():
            if name not in _PARSERS and name != "upstreams":
                raise BadSetting(f"{config}: {name} is not a setting{_suggest(name)}")
            given[name] = Given(_place_paths(name, item, folder), str(config))
    return given


def _place_paths(key: str, value: object, folder: Path) -> object:
    """A relative path in a file is relative to that file."""
    if key in ("record", "ca_file") and isinstance(value, str):
        return str(folder / value)
    if key == "rules" and isinstance(value, list):
        return [str(folder / item) if isinstance(item, str) else item for item in value]
    return value


def _read_environment(environment: Mapping[str, str]) -> dict[str, Given]:
    given: dict[str, Given] = {}
    for key in _PARSERS:
        name = "RULEPROXY_" + key.replace(".", "_").upper()
        text = environment.get(name)
        if text:
            given[key] = Given(text.split(os.pathsep) if key == "rules" else text, name)
    text = environment.get("RULEPROXY_UPSTREAMS")
    if text:
        given["upstreams"] = Given(text.split(), "RULEPROXY_UPSTREAMS")
    return given


def _read_flags(flags: Mapping[str, object]) -> dict[str, Given]:
    unknown = [key for key in flags if key not in _PARSERS and key != "upstreams"]
    if unknown:
        raise BadSetting(f"{unknown[0]} is not a setting{_suggest(unknown[0])}")
    return {key: Given(value, _FLAGS.get(key, "--" + key.replace("_", "-"))) for key, value in flags.items()}


def _read_upstreams(given: Given | None) -> dict[str, Upstream]:
    if given is None:
        return {}
    value, place = given
    pairs: list[tuple[str, object]] = []
    if isinstance(value, dict):
        pairs = list(value.items())
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for item in value:
            # `=` may be part of a URL's path; a name never holds a colon or a slash.
            name, equals, url = str(item).partition("=")
            named = bool(equals) and name.replace("-", "_").isidentifier()
            pairs.append((name, url) if named else ("default", item))
    else:
        raise BadSetting(f"upstreams ({place}): expected a table of names and URLs")
    upstreams: dict[str, Upstream] = {}
    for name, address in pairs:
        if name in upstreams:
            raise BadSetting(f"upstreams ({place}): {name} is given twice")
        try:
            upstreams[name] = Upstream.from_url(name, _parse_text(address))
        except ValueError as error:
            raise BadSetting(f"upstreams.{name} ({place}): {error}") from None
    return upstreams


def _suggest(key: str) -> str:
    close = difflib.get_close_matches(key, [*_PARSERS, "upstreams"], n=1)
    return f", did you mean {close[0]}?" if close else ""


def _parse_text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("expected text")
    return value


def _parse_path(value: object) -> Path:
    return value if isinstance(value, Path) else Path(_parse_text(value))


def _parse_paths(value: object) -> tuple[Path, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence) or not value:
        raise ValueError("expected a list of folders")
    return tuple(_parse_path(item) for item in value)


def _parse_listen(value: object) -> tuple[str, int]:
    text = _parse_text(value)
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535 or not host:
        raise ValueError(f"expected HOST:PORT, got {text!r}")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _parse_base_path(value: object) -> str:
    text = _parse_text(value)
    if not text.startswith("/") or not text.isascii() or not text.isprintable() or set(text) & set(" ?#"):
        raise ValueError(f"expected a path that begins with /, got {text!r}")
    return text.rstrip("/") or "/"


def _parse_switch(value: object) -> bool:
    if isinstance(value, bool):
        return value
    choices = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
    if isinstance(value, str) and value.lower() in choices:
        return choices[value.lower()]
    raise ValueError(f"expected true or false, got {value!r}")


def _parse_log_format(value: object) -> LogFormat:
    if value in ("text", "json"):
        return value
    raise ValueError(f"expected text or json, got {value!r}")


def _parse_size(value: object) -> int:
    return _parse_whole(value, "number of bytes")


def _parse_count(value: object) -> int:
    return _parse_whole(value, "whole number")


def _parse_whole(value: object, what: str) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise ValueError(f"expected a {what} above 0, got {value!r}")
    return value


def _parse_share(value: object) -> float:
    try:
        share = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else 0.0
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise ValueError(f"expected a part above 0 and up to 1 (0.1: every tenth), got {value!r}")
    return share


def _parse_seconds(value: object) -> float:
    try:
        seconds = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else 0.0
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e9:
        raise ValueError(f"expected a number of seconds above 0, got {value!r}")
    return seconds


_PARSERS: Mapping[str, Callable[[object], object]] = {
    "rules": _parse_paths,
    "listen": _parse_listen,
    "base_path": _parse_base_path,
    "allow_remote": _parse_switch,
    "record": _parse_path,
    "log_format": _parse_log_format,
    "ca_file": _parse_path,
    "recording.sample": _parse_share,
    "recording.files": _parse_count,
    "recording.bytes": _parse_size,
    "recording.body": _parse_size,
    "recording.only": _parse_text,
    "recording.paused": _parse_switch,
    **{f"limits.{item.name}": _parse_size for item in fields(Limits)},
    **{f"timeouts.{item.name}": _parse_seconds for item in fields(Timeouts)},
}

_FLAGS = {"upstreams": "--upstream"} | {f"recording.{item.name}": f"--record-{item.name}" for item in fields(Recording)}
