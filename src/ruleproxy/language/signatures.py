"""What verbs and functions declare of themselves: the vocabulary that checker, compiler and documentation are handed.

A verb or a function is one file with its signature, its effect and its examples; nothing else in the house names it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from ruleproxy.language.syntax import Action
from ruleproxy.language.types import ANY, Type

Side = Literal["request", "response", "event", "failure"]
SIDES: tuple[Side, ...] = ("request", "response", "event", "failure")


@dataclass(frozen=True, slots=True)
class Value:
    """An argument that is an expression of this type, evaluated once."""

    type: Type


@dataclass(frozen=True, slots=True)
class Place:
    """An argument that is a place to write: `creates` where missing parents are made.

    `holds` says what may be written there: "value" any member, "list" the members of a list (or of a header's comma
    list), "object" an object. `each`: the form goes through the elements of lists, and gets them as `lists.Lists`.
    """

    holds: Literal["value", "list", "object"] = "value"
    creates: bool = False
    each: bool = False


@dataclass(frozen=True, slots=True)
class Binding:
    """A word that names each element of the place `over` for the condition of the same form."""

    over: str = "place"


@dataclass(frozen=True, slots=True)
class Condition:
    """A boolean that is evaluated for each element that the form binds."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A word out of a few; `default` is what its absence means."""

    words: tuple[str, ...]
    default: str | None = None


@dataclass(frozen=True, slots=True)
class Options:
    """A table with these names; every one of them may be absent."""

    fields: Mapping[str, Type]
    required: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Element:
    """An argument that is a loop variable: an element of a list."""


ArgumentKind = Value | Place | Binding | Condition | Choice | Options | Element


@dataclass(frozen=True, slots=True)
class Example:
    """An example that runs as a test: statements on a message, and what it is afterwards.

    `given` and `then` are tables in the rule language (`{ body = { a = 1 } }`); `rule` is the statements.
    """

    rule: str
    given: str
    then: str


@dataclass(frozen=True, slots=True)
class Form:
    """One way to write a verb: `syntax` for people, arguments by role, and what it does.

    `apply(context, **arguments)` gets values, `places.Place` lists, conditions (`lists.Judge`) and words, by role.
    `idle`, where there is one, says whether `apply` would surely change nothing: it gets the same, but of places in a
    body what stands there, as plain lists and objects (a place that is absent among many is left out). `looks` gives
    the paths behind its place that `apply` looks at by itself, such as `.tools[*].cache_control`.
    """

    name: str
    syntax: str
    arguments: Mapping[str, ArgumentKind]
    apply: Callable[..., None]
    idle: Callable[..., bool] | None = None
    looks: Callable[[Action], Iterable[str]] | None = None


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb: its forms, the sides it may stand on, what it says of itself.

    `ends`: nothing after it in the same rule runs. `retries`: it makes request edits legal on the answer's sides.
    `steers`: it changes what is asked of the upstream, although no place that it names says so. `learns`: it stands
    before one that retries, and what its rule edits is made up front from then on.
    """

    name: str
    summary: str
    prose: str
    forms: tuple[Form, ...]
    sides: tuple[Side, ...] = SIDES
    ends: bool = False
    retries: bool = False
    steers: bool = False
    learns: bool = False
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a function; `optional` ones may be left out, a `literal` one has to be written out."""

    name: str
    type: Type = ANY
    optional: bool = False
    literal: bool = False


@dataclass(frozen=True, slots=True)
class FunctionExample:
    """`expression` and the value it has, both in the rule language; run as a test."""

    expression: str
    value: str


class Surroundings(Protocol):
    """Where rules are loaded. Both raise `EditRefused` with a message for people."""

    def read_table(self, name: str) -> Any:
        """The value of a file beside the rules."""

    def read_secret(self, name: str) -> Any:
        """A secret of the process."""


@dataclass(frozen=True, slots=True)
class Function:
    """A pure function of expressions.

    `evaluate` takes the arguments in order and gives a value; it raises `EditRefused` with a message for people.
    `prepare`, where there is one, is given the literal arguments at load time and gives the `evaluate` to use.
    `contextual` functions get the evaluation context as their first argument. `load`, where there is one, gives the
    value itself when the rules are loaded, from the surroundings and the literal arguments.
    """

    name: str
    summary: str
    parameters: tuple[Parameter, ...]
    returns: Type
    evaluate: Callable[..., Any]
    prepare: Callable[..., Callable[..., Any]] | None = None
    load: Callable[..., Any] | None = None
    contextual: bool = False
    variadic: bool = False
    file_level: bool = False
    prose: str = ""
    examples: tuple[FunctionExample, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """All verbs and all functions by name."""

    verbs: Mapping[str, Verb]
    functions: Mapping[str, Function]
    forms: Mapping[str, tuple[Verb, Form]] = field(init=False, repr=False, compare=False)
    """Each form with its verb, by the name that the grammar gives it."""

    def __post_init__(self) -> None:
        forms = {form.name: (verb, form) for verb in self.verbs.values() for form in verb.forms}
        object.__setattr__(self, "forms", forms)
