"""Where settings are written: a TOML file, variables and flags, each read into the same dotted names."""

from __future__ import annotations

import difflib
import os
import re
import shlex
import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ruleproxy.language.suggestions import count_slips

DEFAULT_CONFIG = Path("ruleproxy.toml")

_FLAGS = {"upstreams": "--upstream"}
_SLIPS = 2
_NAME = re.compile(r"[A-Za-z0-9_-]+")


class BadSetting(ValueError):
    """A setting that cannot be used; the text names it and where it came from."""


class Given(NamedTuple):
    """A value and, for messages, where it was given."""

    value: object
    source: str


@dataclass(frozen=True, slots=True)
class Sources:
    """The names of settings: `plain` ones, and in `tables` those of things that users name themselves (dotted:
    `upstreams.NAME.url`). What is in `paths` is relative to the file that it stands in, and so are the programs of
    `commands`, where they are written as paths.
    """

    plain: Sequence[str]
    tables: Mapping[str, Sequence[str]]
    paths: frozenset[str]
    commands: frozenset[str]

    def knows(self, key: str) -> bool:
        """Whether there is a setting of this dotted name."""
        table, _, rest = key.partition(".")
        options = self.tables.get(table)
        if options is None:
            return key in self.plain
        return rest.partition(".")[2] in options

    def suggest(self, key: str) -> str:
        """A setting that may have been meant, as the end of a message."""
        table, _, rest = key.partition(".")
        name, _, option = rest.partition(".")
        if table in self.tables and option:
            close = difflib.get_close_matches(option, self.tables[table], n=1)
            return f", did you mean {table}.{name}.{close[0]}?" if close else ""
        close = difflib.get_close_matches(key, [name for name in (*self.plain, *self.tables) if name != key], n=1)
        return f", did you mean {close[0]}?" if close else ""


def read_sources(
    sources: Sources, flags: Mapping[str, object], environment: Mapping[str, str], config: Path | None
) -> tuple[dict[str, Given], list[str]]:
    """What is given for each dotted name, the later source before the earlier; and the names of the upstreams, those
    of later sources first.

    Raises BadSetting, and OSError where a named `config` cannot be read.
    """
    given: dict[str, Given] = {}
    names: list[str] = []
    for found in (
        dict(_read_file(sources, config)),
        dict(_read_environment(sources, environment)),
        dict(_read_flags(sources, flags)),
    ):
        fresh = [key.split(".")[1] for key in found if key.startswith("upstreams.") and key.endswith(".url")]
        names = fresh + [name for name in names if name not in fresh]
        given.update(found)
    return given, names


def _read_file(sources: Sources, config: Path | None) -> Iterator[tuple[str, Given]]:
    if config is None:
        if not DEFAULT_CONFIG.exists():
            return
        config = DEFAULT_CONFIG
    try:
        document = tomllib.loads(config.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadSetting(f"{config}: {error}") from None
    upstreams = document.pop("upstreams", {})
    for key, value in _flatten(sources, document):
        if not sources.knows(key):
            raise BadSetting(f"{config}: {key} is not a setting{sources.suggest(key)}")
        yield key, Given(_place_paths(sources, key, value, config.parent), str(config))
    for key, value in _name_upstreams(Given(upstreams, str(config))):
        if not sources.knows(key):
            raise BadSetting(f"{config}: {key} is not a setting{sources.suggest(key)}")
        yield key, value._replace(value=_place_paths(sources, key, value.value, config.parent))


def _flatten(sources: Sources, document: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    for key, value in document.items():
        if isinstance(value, dict) and key in sources.tables:
            for name, options in value.items():
                if isinstance(options, dict) and options:
                    yield from ((f"{key}.{name}.{option}", item) for option, item in options.items())
                else:
                    yield f"{key}.{name}", options
        elif isinstance(value, dict) and any(plain.startswith(f"{key}.") for plain in sources.plain):
            yield from ((f"{key}.{name}", item) for name, item in value.items())
        else:
            yield key, value


def _place_paths(sources: Sources, key: str, value: object, folder: Path) -> object:
    """A relative path in a file is relative to that file."""
    name = key.rpartition(".")[2]
    if name in sources.commands:
        return _place_program(value, folder)
    if name not in sources.paths:
        return value
    if isinstance(value, list):
        return [str(folder / item) if isinstance(item, str) else item for item in value]
    return str(folder / Path(value).expanduser()) if isinstance(value, str) else value


def _place_program(value: object, folder: Path) -> object:
    """A program that is named with a folder is looked for from the file's on; any other one along `PATH`."""
    try:
        words = shlex.split(value) if isinstance(value, str) else value
    except ValueError:
        return value  # what is wrong with it is said by who reads it
    if isinstance(words, list) and words and isinstance(words[0], str) and os.sep in words[0]:
        return [str(folder.absolute() / Path(words[0]).expanduser()), *words[1:]]
    return value


def _read_environment(sources: Sources, environment: Mapping[str, str]) -> Iterator[tuple[str, Given]]:
    variables = {"RULEPROXY_" + key.replace(".", "_").upper(): key for key in sources.plain}
    _refuse_slips(environment, [*variables, "RULEPROXY_UPSTREAMS"])
    for name, key in variables.items():
        text = environment.get(name)
        if text:
            yield key, Given(text.split(os.pathsep) if key == "rules" else text, name)
    text = environment.get("RULEPROXY_UPSTREAMS")
    if text:
        yield from _name_upstreams(Given(text.split(), "RULEPROXY_UPSTREAMS"))


def _refuse_slips(environment: Mapping[str, str], known: Collection[str]) -> None:
    # Kubernetes sets variables of this prefix, too, for a service of that name: only slips are meant for us.
    for name in sorted(environment):
        if not name.startswith("RULEPROXY_") or name in known:
            continue
        near = [other for other in known if count_slips(name, other) <= _SLIPS]
        if near:
            raise BadSetting(f"{name} is not a setting, did you mean {near[0]}?")


def _read_flags(sources: Sources, flags: Mapping[str, object]) -> Iterator[tuple[str, Given]]:
    for key, value in flags.items():
        source = _FLAGS.get(key, "--" + key.replace("recording.", "record-").replace("_", "-"))
        if key == "upstreams":
            yield from _name_upstreams(Given(value, source))
        elif key == "set":
            assert isinstance(value, Sequence)
            yield from _read_pairs(sources, value, source)
        elif sources.knows(key):
            yield key, Given(value, source)
        else:
            raise BadSetting(f"{key} is not a setting{sources.suggest(key)}")


def _read_pairs(sources: Sources, pairs: Sequence[str], source: str) -> Iterator[tuple[str, Given]]:
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals:
            raise BadSetting(f"{source}: expected KEY=VALUE, got {key!r}")
        if not sources.knows(key):
            raise BadSetting(f"{source}: {key} is not a setting{sources.suggest(key)}")
        yield key, Given(text.split(os.pathsep) if key == "rules" else text, source)


def _name_upstreams(given: Given) -> Iterator[tuple[str, Given]]:
    """The settings of upstreams: each a URL, or a table with one."""
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
    seen: set[str] = set()
    for name, address in pairs:
        if name in seen:
            raise BadSetting(f"upstreams ({place}): {name} is given twice")
        if _NAME.fullmatch(name) is None:
            raise BadSetting(f"upstreams ({place}): {name!r} is no name: letters, digits, - and _")
        seen.add(name)
        options = address if isinstance(address, dict) else {"url": address}
        if not options:
            raise BadSetting(f"upstreams.{name} ({place}): it has no url")
        for option, part in options.items():
            nested = part.items() if isinstance(part, dict) else ()
            for inner, item in nested:
                yield f"upstreams.{name}.{option}.{inner}", Given(item, place)
            if not isinstance(part, dict):
                yield f"upstreams.{name}.{option}", Given(part, place)
