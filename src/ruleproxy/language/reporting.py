"""Diagnostics as people read them: the lines of the source, underlined.

Columns of the terminal, not characters, are what underlines are aligned to: tabs are shown as four spaces, wide
characters take two columns, combining ones none, and control characters are shown by their number.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from ruleproxy.language.diagnostics import Diagnostic, Label, Severity
from ruleproxy.language.source import Source

WIDEST_LINE = 140
"""Columns of a source line that are shown; of a longer one the part around its underline."""
LEAD = 40
"""Columns kept in front of an underline in a line that is cut."""
MOST_LINES = 4
"""Lines of a span that are shown before its middle is left out."""

COLOURS = {Severity.ERROR: "\x1b[1;31m", Severity.WARNING: "\x1b[1;33m", Severity.NOTE: "\x1b[1;36m"}
BOLD, BLUE, RESET = "\x1b[1m", "\x1b[1;34m", "\x1b[0m"


@dataclass(frozen=True, slots=True)
class Mark:
    """An underline in one line: characters `[start, end)` counted from the line's beginning."""

    line: int
    start: int
    end: int
    sign: str
    text: str


@dataclass(frozen=True, slots=True)
class Paint:
    """Colours, or none."""

    severity: str
    bold: str
    gutter: str
    reset: str


def choose_paint(severity: Severity, *, colour: bool) -> Paint:
    """The colours of a severity, empty without `colour`."""
    return Paint(COLOURS[severity], BOLD, BLUE, RESET) if colour else Paint("", "", "", "")


def sort_diagnostics(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Diagnostics in the order in which they are always shown: file, place, code."""
    return sorted(
        diagnostics,
        key=lambda found: (found.primary.source.name, found.primary.span, found.code, found.message),
    )


def render_all(diagnostics: Iterable[Diagnostic], *, colour: bool = False) -> str:
    """All diagnostics in order, an empty line between them; ends with a line end unless there are none."""
    return "\n".join(render(diagnostic, colour=colour) for diagnostic in sort_diagnostics(diagnostics))


def render(diagnostic: Diagnostic, *, colour: bool = False) -> str:
    """One diagnostic as text, every line ended by a line end."""
    paint = choose_paint(diagnostic.severity, colour=colour)
    primary, secondary = diagnostic.primary, diagnostic.secondary
    elsewhere = secondary is not None and secondary.source != primary.source
    marks = mark_label(primary, "^")
    if secondary is not None and not elsewhere:
        marks += mark_label(secondary, "-")
    numbers = [mark.line for mark in marks]
    if secondary is not None and elsewhere:
        numbers += [mark.line for mark in mark_label(secondary, "-")]
    width = len(str(max(numbers)))
    lines = [
        f"{paint.severity}{diagnostic.severity.value}[{diagnostic.code}]{paint.reset}"
        f"{paint.bold}: {show_text(diagnostic.message)}{paint.reset}",
        locate(primary, width, paint, "-->"),
        *draw(primary.source, marks, width, paint),
    ]
    if secondary is not None and elsewhere:
        lines.append(locate(secondary, width, paint, ":::"))
        lines += draw(secondary.source, mark_label(secondary, "-"), width, paint)
    if diagnostic.help:
        lines.append(f"{' ' * width} {paint.gutter}|{paint.reset}")
    for text in diagnostic.help:
        first, *rest = (show_text(line) for line in text.split("\n"))
        lines.append(f"{' ' * width} {paint.gutter}={paint.reset} {paint.bold}help{paint.reset}: {first}")
        lines += [f"{' ' * width}         {line}".rstrip() for line in rest]
    return "\n".join(lines) + "\n"


def locate(label: Label, width: int, paint: Paint, arrow: str) -> str:
    """The line that says where a label is: ` --> file:line:column`."""
    line, column = label.source.position(label.span.start)
    return f"{' ' * width}{paint.gutter}{arrow}{paint.reset} {label.source.name}:{line}:{column}"


def mark_label(label: Label, sign: str) -> list[Mark]:
    """The underlines of a label: one, or for a span over several lines one a line, the text beside the last."""
    source, span = label.source, label.span
    first, column = source.position(span.start)
    last = source.position(max(span.start, span.end - 1)).line
    marks = []
    for number in range(first, last + 1):
        line = source.line(number)
        start = column - 1 if number == first else len(line) - len(line.lstrip())
        end = len(line.rstrip()) if number < last else span.end - source.line_starts[number - 1]
        marks.append(Mark(number, start, max(end, start), sign, label.text if number == last else ""))
    if len(marks) > MOST_LINES:
        marks = [*marks[: MOST_LINES - 1], marks[-1]]
    return marks


def draw(source: Source, marks: list[Mark], width: int, paint: Paint) -> list[str]:
    """The marked lines of a source, each above its underlines, with `...` where lines are left out between."""
    bar = f"{paint.gutter}|{paint.reset}"
    lines = [f"{' ' * width} {bar}"]
    shown = 0
    for number in sorted({mark.line for mark in marks}):
        if shown and number == shown + 2:
            lines.append(
                f"{paint.gutter}{shown + 1:>{width}}{paint.reset} {bar} {show_line(source, shown + 1)}".rstrip()
            )
        elif shown and number > shown + 1:
            lines.append(f"{paint.gutter}{'...':>{width}}{paint.reset}")
        here = [mark for mark in marks if mark.line == number]
        offset = choose_offset(source.line(number), here)
        text = cut_text(source.line(number), offset)
        lines.append(f"{paint.gutter}{number:>{width}}{paint.reset} {bar} {text}".rstrip())
        for mark in here:
            underline = draw_underline(source.line(number), mark, offset, paint)
            lines.append(f"{' ' * width} {bar} {underline}".rstrip())
        shown = number
    return lines


def show_line(source: Source, number: int) -> str:
    """A line without underlines."""
    return cut_text(source.line(number), 0)


def choose_offset(line: str, marks: list[Mark]) -> int:
    """The first character that is shown: 0, or a little before the first underline of a long line."""
    reach = max(mark.end for mark in marks)
    if measure(line[: reach + 1]) <= WIDEST_LINE:
        return 0
    return max(0, min(mark.start for mark in marks) - LEAD)


def cut_text(line: str, offset: int) -> str:
    """The part of a line that is shown, with `…` where something is left out."""
    shown, columns = [], 0
    for character in line[offset : offset + WIDEST_LINE + 1]:
        columns += measure(character)
        if columns > WIDEST_LINE:
            break
        shown.append(show_character(character))
    rest = "…" if offset + len(shown) < len(line) else ""
    return f"{'…' if offset else ''}{''.join(shown)}{rest}"


def draw_underline(line: str, mark: Mark, offset: int, paint: Paint) -> str:
    """The signs under the marked characters and the label's text after them."""
    lead = measure(line[offset : mark.start]) + (1 if offset else 0)
    room = max(1, WIDEST_LINE - measure(line[offset : mark.start]))
    length = min(room, max(1, measure(line[mark.start : mark.end][: WIDEST_LINE + 1])))
    colour = paint.severity if mark.sign == "^" else paint.gutter
    return f"{' ' * lead}{colour}{mark.sign * length} {show_text(mark.text)}".rstrip() + paint.reset


def measure(text: str) -> int:
    """How many columns of a terminal a text takes, shown as this module shows it."""
    if text.isascii() and text.isprintable():
        return len(text)
    return sum(measure_character(character) for character in text)


@cache
def measure_character(character: str) -> int:
    """The columns of one character (Unicode Standard Annex 11: W and F are wide)."""
    shown = show_character(character)
    if shown != character:
        return len(shown)
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def show_text(text: str) -> str:
    """What is said of a source, which may quote from it."""
    return text if text.isascii() and text.isprintable() else "".join(map(show_character, text))


def show_character(character: str) -> str:
    """A character as it is printed: a tab as four spaces, what a terminal would act on by its number."""
    if character == "\t":
        return "    "
    if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") or character in MISLEADING:
        return f"<{ord(character):04x}>"
    return character


MISLEADING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200b\u2060\ufeff")
"""Characters that reorder what stands around them, or that nobody sees: a source shown with them says something else
than it does."""
