"""What a pack says of itself in its `pack.toml`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, get_args

from ruleproxy.packs.folders import MANIFEST

EDITION: Final = 1
ParameterType = Literal["string", "int", "float", "bool", "duration", "list", "object"]
_FIELDS: Final = frozenset({"name", "version", "edition", "description", "tested_with", "parameters"})
_PARAMETER_FIELDS: Final = frozenset({"type", "default", "optional", "description"})


class BadPack(Exception):
    """A pack that cannot be used; the message names the file."""


class BadManifest(BadPack):
    """A manifest that cannot be used; the message names the file and the field."""


@dataclass(frozen=True, slots=True)
class PackParameter:
    """A parameter: without a default the user has to pass it."""

    name: str
    type: ParameterType
    description: str = ""
    default: Any = None
    required: bool = True


@dataclass(frozen=True, slots=True)
class Manifest:
    """A pack's manifest. `name` is `owner/pack`."""

    name: str
    version: str
    edition: int
    description: str
    folder: Path
    parameters: dict[str, PackParameter] = field(default_factory=dict)


def parse_manifest(folder: Path, text: bytes) -> Manifest:
    """The manifest of a folder, from the bytes of its file. Raises `BadManifest`."""
    file = folder / MANIFEST
    try:
        data = tomllib.loads(text.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadManifest(f"{file}: not TOML: {error}") from None
    for key in data:
        if key not in _FIELDS:
            raise BadManifest(f"{file}: unknown field `{key}`")
    for key, kind in (("name", str), ("version", str), ("edition", int), ("description", str)):
        if key not in data:
            raise BadManifest(f"{file}: `{key}` is missing")
        if not isinstance(data[key], kind):
            raise BadManifest(f"{file}: `{key}` has to be {'a whole number' if kind is int else 'a string'}")
    if data["name"].count("/") != 1:
        raise BadManifest(f"{file}: `name` has to read owner/pack")
    if data["edition"] != EDITION:
        raise BadManifest(
            f"{file}: edition {data['edition']} is not known here (known: {EDITION})"
            + ("; a newer ruleproxy may know it" if data["edition"] > EDITION else "")
        )
    parameters = data.get("parameters", {})
    if not isinstance(parameters, dict):
        raise BadManifest(f"{file}: `parameters` has to be a table")
    return Manifest(
        data["name"],
        data["version"],
        data["edition"],
        data["description"],
        folder,
        {name: _read_parameter(file, name, table) for name, table in parameters.items()},
    )


def _read_parameter(file: Path, name: str, table: object) -> PackParameter:
    if not isinstance(table, dict) or set(table) - _PARAMETER_FIELDS:
        raise BadManifest(f"{file}: parameters.{name} has type, default, optional and description, nothing else")
    kind = table.get("type", "string")
    if kind not in get_args(ParameterType):
        raise BadManifest(f"{file}: parameters.{name}.type is one of {', '.join(get_args(ParameterType))}")
    required = not table.get("optional", "default" in table)
    return PackParameter(name, kind, table.get("description", ""), table.get("default"), required)
