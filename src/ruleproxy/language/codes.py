"""The registry of diagnostic codes: each has a number for ever, a title, and how much it counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ruleproxy.language.diagnostics import Severity


@dataclass(frozen=True, slots=True)
class Code:
    """One kind of finding. `severity` is what a finding has unless the check that makes it says otherwise."""

    number: str
    title: str
    severity: Severity


ERROR, WARNING, NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE

ALL_CODES: tuple[Code, ...] = (
    # the 100s, what can be written
    Code("RP101", "something unexpected", ERROR),
    Code("RP102", "a missing `end`", ERROR),
    Code("RP103", "a spelling from another language", ERROR),
    Code("RP104", "text that cannot be read as rules", ERROR),
    # the 200s, names
    Code("RP201", "an unknown name, side, flag, verb, function or argument", ERROR),
    Code("RP202", "an unknown field", ERROR),
    Code("RP203", "the same name twice", ERROR),
    Code("RP204", "an unused local or parameter", WARNING),
    # the 300s, values
    Code("RP301", "a condition that is not a bool", ERROR),
    Code("RP302", "operands of the wrong type", ERROR),
    Code("RP303", "two values that are never equal", ERROR),
    Code("RP304", "a default that is never used", WARNING),
    Code("RP305", "a value that may be nil", ERROR),
    Code("RP306", "`= nil`, a mixed table, or a numeric index", ERROR),
    Code("RP307", "`not` before a comparison", ERROR),
    Code("RP310", "a secret flows where it would be seen", ERROR),
    Code("RP320", "a root or a verb that does not exist on this side", ERROR),
    Code("RP330", "`response.body` without the stream guard", ERROR),
    Code("RP331", "a write to something read-only", ERROR),
    Code("RP340", "an upstream origin that is not declared", ERROR),
    # the 400s, rules among rules
    Code("RP401", "a condition that is always true or always false", ERROR),
    Code("RP402", "a rule that an earlier `stop` makes unreachable", WARNING),
    Code("RP403", "a rule whose condition an earlier rule removes", WARNING),
    Code("RP404", "a write that is overwritten before it is read", WARNING),
    Code("RP405", "statements after `stop`", WARNING),
    Code("RP430", "a retry that could only happen after the first byte", ERROR),
    Code("RP431", "`learn` without a `retry`, or what it cannot learn", ERROR),
    # the 500s, at run time
    Code("RP510", "a rule that failed at run time and was undone", ERROR),
    # the 600s, what providers do with the edit
    Code("RP610", "an edit before the last cache mark that varies", WARNING),
    Code("RP620", "thinking touched without looking at its signature", WARNING),
    Code("RP621", "a strip that may leave content empty", WARNING),
    Code("RP630", "a beta without its body field, or the field without its beta", WARNING),
    # the 700s, regular expressions and cost
    Code("RP701", "a regular expression or a cost that is refused", ERROR),
    Code("RP710", "a regular expression that a plain test would replace", WARNING),
    # the 800s, tests
    Code("RP801", "a rule that no test reaches, or a test that tries nothing", WARNING),
    # the 900s, packs
    Code("RP901", "a pack that cannot be trusted or is too new", ERROR),
)

CODES: Mapping[str, Code] = MappingProxyType({code.number: code for code in ALL_CODES})
"""Every code by its number."""


def find_code(number: str) -> Code:
    """The code of a number such as `RP305`; raises `KeyError` for a number that does not exist."""
    return CODES[number]
