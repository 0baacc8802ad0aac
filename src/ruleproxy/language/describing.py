"""What verbs and functions say of themselves, as Markdown and for a terminal."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator

from ruleproxy.language.signatures import SIDES, Function, Verb
from ruleproxy.language.types import ANY, JSON, Type


def describe_verb(verb: Verb) -> str:
    """A verb as Markdown, without a heading: its forms, what it does, where it stands, its examples."""
    return "\n".join(_verb(verb))


def _verb(verb: Verb) -> Iterator[str]:
    yield "```"
    yield from (form.syntax for form in verb.forms)
    yield "```"
    yield ""
    yield f"{_sentence(verb.summary)} {verb.prose}".strip()
    yield ""
    where = "Stands on every side." if set(verb.sides) == set(SIDES) else f"Stands on the {_words(verb.sides)} side."
    yield where + (" Nothing after it in its rule runs." if verb.ends else "")
    for example in verb.examples:
        yield ""
        yield "```lua"
        yield f"-- before: {example.given}"
        yield example.rule
        yield f"-- after:  {example.then}"
        yield "```"


def describe_function(function: Function) -> str:
    """A function as Markdown, without a heading: its signature, what it gives, its examples."""
    return "\n".join(_function(function))


def _function(function: Function) -> Iterator[str]:
    yield "```"
    yield f"{signature_of(function)}: {type_name(function.returns)}"
    yield "```"
    yield ""
    yield f"{_sentence(function.summary)} {function.prose}".strip()
    literal = [f"`{parameter.name}`" for parameter in function.parameters if parameter.literal]
    if literal:
        yield ""
        yield f"{' and '.join(literal)} {'are' if len(literal) > 1 else 'is'} written out: a constant, no expression."
    if function.examples:
        yield ""
        yield "```lua"
        yield from (f"{example.expression}  --> {example.value}" for example in function.examples)
        yield "```"


def signature_of(function: Function) -> str:
    """`name(first: string, second?: int)`: `?` may be left out, `…` may be repeated."""
    parameters = [
        f"{parameter.name}{'?' if parameter.optional else ''}: {type_name(parameter.type)}"
        for parameter in function.parameters
    ]
    return f"{function.name}({', '.join(parameters)}{', …' if function.variadic else ''})"


def type_name(kind: Type) -> str:
    """A type as people read it."""
    return "any" if kind.kinds in (ANY.kinds, JSON.kinds) else str(kind)


def to_terminal(markdown: str, width: int = 80) -> str:
    """Markdown of this module as plain text: blocks indented, prose at most so wide."""
    parts: list[str] = []
    for index, piece in enumerate(re.split(r"^```\w*\n(.*?)^```$", markdown, flags=re.MULTILINE | re.DOTALL)):
        if index % 2:
            parts.append(textwrap.indent(piece.rstrip("\n"), "    "))
            continue
        paragraphs = (" ".join(paragraph.split()) for paragraph in piece.split("\n\n"))
        parts += (textwrap.fill(text, max(20, width), break_long_words=False) for text in paragraphs if text)
    return "\n\n".join(parts) + "\n"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _words(names: tuple[str, ...]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
