"""Lines of results, the table they make, and whether they stay within their bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.bars import Bounds, find_bar
from benchmarks.samples import Sample


@dataclass(frozen=True, slots=True)
class Line:
    """Our figure, what stands beside it, and the ratio. `key` names the bar."""

    key: str
    title: str
    figure: Sample
    beside: str = ""
    other: Sample | None = None
    ratio: Sample | None = None

    def keeps(self, bounds: Bounds) -> bool:
        """Whether figure and ratio, their medians, are within bounds."""
        return bounds.keep(self.figure.middle, None if self.ratio is None else self.ratio.middle)

    @property
    def is_outside(self) -> bool:
        """Whether it is not where it has to be."""
        return not self.keeps(find_bar(self.key).must)


_HEADINGS = ("", "ruleproxy", "±", "beside", "", "±", "ratio", "±", "goal", "must")


def render_table(lines: Sequence[Line]) -> str:
    """All lines in one table; figures are medians, ± is half the range in per cent of them."""
    rows = [_HEADINGS, *map(_cells, lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    left = {0, 3, 8, 9}
    text = [
        "  ".join(
            cell.ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return "\n".join([text[0], "-" * max(map(len, text)), *text[1:]])


def _cells(line: Line) -> tuple[str, ...]:
    bar = find_bar(line.key)
    return (
        line.title,
        f"{_number(line.figure.middle)} {line.figure.unit}",
        _spread(line.figure),
        line.beside,
        "" if line.other is None else f"{_number(line.other.middle)} {line.other.unit}",
        "" if line.other is None else _spread(line.other),
        "" if line.ratio is None else f"{line.ratio.middle:.2f} x",
        "" if line.ratio is None else _spread(line.ratio),
        _judge(line, bar.goal),
        _judge(line, bar.must),
    )


def _judge(line: Line, bounds: Bounds) -> str:
    parts = [] if bounds.figure is None else [f"≤ {bounds.figure:g} {line.figure.unit}"]
    parts += [] if bounds.ratio is None else [f"≤ {bounds.ratio:g} x"]
    return f"{', '.join(parts)} {'ok' if line.keeps(bounds) else 'MISSED'}" if parts else ""


def _number(value: float) -> str:
    return f"{value:,.0f}".replace(",", " ") if abs(value) >= 100 else f"{value:.1f}"


def _spread(sample: Sample) -> str:
    return f"{sample.spread:.0%}" if len(sample.values) > 1 else ""


def lines_as_json(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """The lines with every round, for machines."""
    return [
        {
            "key": line.key,
            "title": line.title,
            "unit": line.figure.unit,
            "ruleproxy": line.figure.values,
            "beside": line.beside,
            "other": None if line.other is None else line.other.values,
            "ratio": None if line.ratio is None else line.ratio.values,
            "outside": line.is_outside,
        }
        for line in lines
    ]
