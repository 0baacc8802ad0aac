"""What is wrong in a piece of text, before it is known where in which file the piece lies."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ruleproxy.language.codes import find_code
from ruleproxy.language.diagnostics import Diagnostic, Label
from ruleproxy.language.source import Source, Span


@dataclass(frozen=True, slots=True)
class Problem:
    """A diagnostic whose spans count from the beginning of a chunk, so that it can be kept with the chunk."""

    code: str
    message: str
    span: Span
    label: str = ""
    second_span: Span | None = None
    second_label: str = ""
    help: tuple[str, ...] = ()


def move_span(span: Span, distance: int) -> Span:
    """The span that many characters further on."""
    return Span(span.start + distance, span.end + distance)


def move_problem(problem: Problem, distance: int) -> Problem:
    """The problem that many characters further on."""
    second = None if problem.second_span is None else move_span(problem.second_span, distance)
    return replace(problem, span=move_span(problem.span, distance), second_span=second)


def place_problem(problem: Problem, source: Source, offset: int) -> Diagnostic:
    """The diagnostic of a problem in the chunk that begins at `offset`."""
    secondary = None
    if problem.second_span is not None:
        secondary = Label(source, move_span(problem.second_span, offset), problem.second_label)
    primary = Label(source, move_span(problem.span, offset), problem.label)
    severity = find_code(problem.code).severity
    return Diagnostic(problem.code, severity, problem.message, primary, secondary, problem.help)
