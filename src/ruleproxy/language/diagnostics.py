"""What is wrong with a rules file, where, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from ruleproxy.language.source import Source, Span


class Severity(Enum):
    """How much a finding counts: errors keep rules from running, `--strict` makes warnings count, never notes."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Label:
    """A span to underline and, possibly empty, what to say beside it."""

    source: Source
    span: Span
    text: str = ""


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding: a stable code `RPnnn`, one primary label, at most one secondary, help that can be pasted."""

    code: str
    severity: Severity
    message: str
    primary: Label
    secondary: Label | None = None
    help: tuple[str, ...] = ()
