"""The parameters of a pack: whether values fit what its manifest declares, and what fills those that are not given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from ruleproxy.engine.expressions import CannotCompile
from ruleproxy.engine.ruleset import BadParameters
from ruleproxy.language import syntax
from ruleproxy.language.checking.kinds import put_article
from ruleproxy.language.problems import Problem
from ruleproxy.language.suggestions import find_nearest
from ruleproxy.language.types import ANY, BOOL, INT, NIL_TYPE, NUMBER, STRING, Type, of
from ruleproxy.messages.secrets import Secret
from ruleproxy.messages.values import EditRefused
from ruleproxy.packs.manifest import Manifest


def read_parameters(
    use: syntax.Use, manifest: Manifest, evaluate: Callable[[syntax.Expression], Any]
) -> tuple[dict[str, Any], list[Problem]]:
    """The parameters that a `use` gives to a pack, the defaults of the others, and what is wrong with them.

    `evaluate` gives the value of an expression. Raises what it raises, but `CannotCompile` and `EditRefused`.
    """
    given: dict[str, Any] = {}
    problems: list[Problem] = []
    for entry in use.parameters.fields if use.parameters is not None else ():
        key = entry.key
        if not isinstance(key, syntax.Literal) or not isinstance(key.value, str):
            problems.append(Problem("RP306", "parameters have names", entry.span))
            continue
        parameter = manifest.parameters.get(key.value)
        if parameter is None:
            nearest = find_nearest(key.value, sorted(manifest.parameters))
            offer = () if nearest is None else (f"did you mean {nearest}",)
            problems.append(Problem("RP201", f'"{manifest.name}" has no parameter `{key.value}`', key.span, help=offer))
            continue
        try:
            given[key.value] = evaluate(entry.value)
        except (CannotCompile, EditRefused) as error:
            problems.append(Problem("RP302", str(error), entry.value.span))
            continue
        if not fits(given[key.value], parameter.type):
            problems.append(Problem("RP302", _say_type(key.value, parameter.type), entry.value.span))
    for name, parameter in manifest.parameters.items():
        if name not in given and parameter.required:
            described = f": {parameter.description}" if parameter.description else ""
            message = f"{_say_missing(manifest, name)}{described}"
            problems.append(Problem("RP305", message, use.pack_span, help=(f'use "{use.pack}" with {{ {name} = … }}',)))
        elif parameter.default is not None:
            given.setdefault(name, parameter.default)
    return given, problems


def fill_parameters(given: Mapping[str, Any], manifest: Manifest) -> dict[str, Any]:
    """The parameters of a pack: those that are given, the defaults of the others. Raises `BadParameters`."""
    for name, value in given.items():
        parameter = manifest.parameters.get(name)
        if parameter is None:
            known = ", ".join(sorted(manifest.parameters)) or "none"
            raise BadParameters(f'"{manifest.name}" has no parameter `{name}` (it has {known})')
        if not fits(value, parameter.type):
            raise BadParameters(_say_type(name, parameter.type))
    filled = dict(given)
    for name, parameter in manifest.parameters.items():
        if name not in filled and parameter.required:
            raise BadParameters(_say_missing(manifest, name))
        if parameter.default is not None:
            filled.setdefault(name, parameter.default)
    return filled


def type_parameters(manifest: Manifest) -> dict[str, Type]:
    """What the parameters of a pack may be to its rules: one that may be left out and has no default may be nil."""
    return {
        name: known | NIL_TYPE if not parameter.required and parameter.default is None else known
        for name, parameter in manifest.parameters.items()
        for known in (_TYPES[parameter.type],)
    }


def example_parameters(manifest: Manifest) -> dict[str, Any]:
    """A value for each parameter, so that what the files of a pack compute at load time can be computed."""
    required = {name: _EMPTY[p.type] for name, p in manifest.parameters.items() if p.required}
    return fill_parameters(required, manifest)


# What is in a list or an object is not declared, so nothing is known of how it may be used.
_TYPES: Mapping[str, Type] = MappingProxyType(
    {
        "string": STRING,
        "int": INT,
        "float": NUMBER,
        "bool": BOOL,
        "duration": of("duration"),
        "list": ANY,
        "object": ANY,
    }
)
_EMPTY: Mapping[str, Any] = MappingProxyType(
    {"string": "", "int": 0, "float": 0.0, "bool": False, "duration": 0.0, "list": [], "object": {}}
)


def _say_type(name: str, wanted: str) -> str:
    return f"parameter `{name}` takes {put_article(wanted)}"


def _say_missing(manifest: Manifest, name: str) -> str:
    return f'"{manifest.name}" needs the parameter `{name}`'


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
