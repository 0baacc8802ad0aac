"""The parameters of a pack: whether values fit what its manifest declares, and what fills those that are not given."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ruleproxy.engine.ruleset import BadParameters
from ruleproxy.messages.secrets import Secret
from ruleproxy.packs.manifest import Manifest


def fill_parameters(given: Mapping[str, Any], manifest: Manifest) -> dict[str, Any]:
    """The parameters of a pack: those that are given, the defaults of the others. Raises `BadParameters`."""
    for name, value in given.items():
        parameter = manifest.parameters.get(name)
        if parameter is None:
            known = ", ".join(sorted(manifest.parameters)) or "none"
            raise BadParameters(f'"{manifest.name}" has no parameter `{name}` (it has {known})')
        if not fits(value, parameter.type):
            raise BadParameters(f"parameter `{name}` takes {with_article(parameter.type)}")
    filled = dict(given)
    for name, parameter in manifest.parameters.items():
        if name not in filled and parameter.required:
            raise BadParameters(f'"{manifest.name}" needs the parameter `{name}`')
        if parameter.default is not None:
            filled.setdefault(name, parameter.default)
    return filled


def example_parameters(manifest: Manifest) -> dict[str, Any]:
    """A value for each parameter, so that what the files of a pack compute at load time can be computed."""
    required = {name: _EMPTY[p.type] for name, p in manifest.parameters.items() if p.required}
    return fill_parameters(required, manifest)


_EMPTY: Mapping[str, Any] = MappingProxyType(
    {"string": "", "int": 0, "float": 0.0, "bool": False, "duration": 0.0, "list": [], "object": {}}
)


def with_article(word: str) -> str:
    """`a string`, `an int`."""
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"


def fits(value: object, wanted: str) -> bool:
    """Whether a value is of the type of a parameter."""
    kinds: dict[str, tuple[type, ...]] = {
        "string": (str, Secret),
        "int": (int,),
        "float": (int, float),
        "bool": (bool,),
        "duration": (float, int),
        "list": (list,),
        "object": (dict,),
    }
    return isinstance(value, kinds[wanted]) and isinstance(value, bool) == (wanted == "bool")
