"""From the bytes of a file to a source, or to the one reason why they are not text."""

from __future__ import annotations

from ruleproxy.language.diagnostics import Diagnostic
from ruleproxy.language.problems import Problem, place_problem
from ruleproxy.language.source import Source, Span

MAXIMUM_BYTES = 1024 * 1024
"""Largest rules file; a table that needs more belongs in a JSON file that `table(…)` reads."""

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")


def source_from_text(name: str, text: str) -> Source:
    """A source whose line ends are `\\n`, whatever they were."""
    return Source(name, normalise_line_ends(text))


def source_from_bytes(name: str, data: bytes) -> Source | Diagnostic:
    """The source in a file's bytes: UTF-8, with or without a byte order mark, at most `MAXIMUM_BYTES`."""
    if len(data) > MAXIMUM_BYTES:
        message = f"this file has {len(data)} bytes, more than {MAXIMUM_BYTES}"
        help_text = ('move large tables into a JSON file: local names = table("names.json")',)
        return place_problem(Problem("RP104", message, Span(0, 0), help=help_text), Source(name, ""), 0)
    if data.startswith(UTF_16_MARKS):
        problem = Problem("RP104", "this file is UTF-16", Span(0, 0), help=("save it as UTF-8",))
        return place_problem(problem, Source(name, ""), 0)
    data = data.removeprefix(BYTE_ORDER_MARK)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        shown = source_from_text(name, data.decode("utf-8", errors="replace"))
        start = len(normalise_line_ends(data[: error.start].decode("utf-8")))
        label = f"byte {data[error.start]:02x}: {error.reason}"
        problem = Problem("RP104", "this is not UTF-8", Span(start, start + 1), label, help=("save it as UTF-8",))
        return place_problem(problem, shown, 0)
    source = source_from_text(name, text)
    found = source.text.find("\0")
    if found >= 0:
        problem = Problem("RP104", "a NUL byte", Span(found, found + 1), "rules are text")
        return place_problem(problem, source, 0)
    return source


def normalise_line_ends(text: str) -> str:
    """The text with `\\n` for `\\r\\n` and for a lone `\\r`."""
    return text.replace("\r\n", "\n").replace("\r", "\n")
