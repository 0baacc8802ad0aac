"""Diagnostics for programs: as data for JSON, and as the annotations of a GitHub workflow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

from ruleproxy.language.diagnostics import Diagnostic, Label, Severity


class LabelData(TypedDict):
    """A label: lines and columns begin at 1, the end is the position after the last character."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int
    text: str


class DiagnosticData(TypedDict):
    """A diagnostic; `secondary` is null where there is none."""

    code: str
    severity: str
    message: str
    primary: LabelData
    secondary: LabelData | None
    help: list[str]


def label_to_dict(label: Label) -> LabelData:
    """A label as data."""
    start, end = label.source.position(label.span.start), label.source.position(label.span.end)
    return LabelData(
        file=label.source.name,
        line=start.line,
        column=start.column,
        end_line=end.line,
        end_column=end.column,
        text=label.text,
    )


def to_dict(diagnostic: Diagnostic) -> DiagnosticData:
    """A diagnostic as data that any JSON writer takes."""
    return DiagnosticData(
        code=diagnostic.code,
        severity=diagnostic.severity.value,
        message=diagnostic.message,
        primary=label_to_dict(diagnostic.primary),
        secondary=None if diagnostic.secondary is None else label_to_dict(diagnostic.secondary),
        help=list(diagnostic.help),
    )


ANNOTATIONS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}


def to_annotation(diagnostic: Diagnostic) -> str:
    """One line that a GitHub workflow shows beside the source (GitHub's "workflow commands", their escapes)."""
    place = label_to_dict(diagnostic.primary)
    properties = {
        "file": place["file"],
        "line": place["line"],
        "col": place["column"],
        "endLine": place["end_line"],
        "endColumn": place["end_column"],
        "title": diagnostic.code,
    }
    details = [diagnostic.message, *([place["text"]] if place["text"] else [])]
    text = "\n".join([": ".join(details), *(f"help: {line}" for line in diagnostic.help)])
    return annotate(ANNOTATIONS[diagnostic.severity], properties, text)


def annotate(kind: str, properties: Mapping[str, object], text: str) -> str:
    """An annotation of a kind (`error`, `warning`, `notice`)."""
    written = ",".join(f"{name}={escape_property(str(value))}" for name, value in properties.items())
    return f"::{kind} {written}::{escape_text(text)}"


def escape_text(text: str) -> str:
    """The text of an annotation, its line ends kept."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def escape_property(text: str) -> str:
    """The value of a property of an annotation."""
    return escape_text(text).replace(":", "%3A").replace(",", "%2C")
