"""Lines of results, the table they make, and whether they stay within their bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.bars import find_bar
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

    @property
    def excess(self) -> tuple[str, ...]:
        """What is outside its `must`."""
        bar = find_bar(self.key)
        found = []
        if bar.figure_must is not None and self.figure.middle > bar.figure_must:
            found.append(f"{self.figure.middle:.4g} {self.figure.unit} is above {bar.figure_must:g}")
        if bar.ratio_must is not None and self.ratio is not None and self.ratio.middle > bar.ratio_must:
            found.append(f"{self.ratio.middle:.2f} x {self.beside} is above {bar.ratio_must:g} x")
        return tuple(found)


_HEADINGS = ("", "ruleproxy", "±", "beside", "", "±", "ratio", "goal", "must", "")


def render_table(lines: Sequence[Line]) -> str:
    """All lines in one table; figures are medians, ± is half the range in per cent of them."""
    rows = [_HEADINGS, *map(_cells, lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    left = {0, 3, 9}
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
    goals = _bounds(bar.figure_goal, bar.ratio_goal, line.figure.unit)
    musts = _bounds(bar.figure_must, bar.ratio_must, line.figure.unit)
    judged = bar.figure_must is not None or (bar.ratio_must is not None and line.ratio is not None)
    return (
        line.title,
        f"{_number(line.figure.middle)} {line.figure.unit}",
        _spread(line.figure),
        line.beside,
        "" if line.other is None else f"{_number(line.other.middle)} {line.other.unit}",
        "" if line.other is None else _spread(line.other),
        "" if line.ratio is None else f"{line.ratio.middle:.2f} x",
        goals,
        musts,
        "" if not judged else "OUTSIDE" if line.excess else "ok",
    )


def _bounds(figure: float | None, ratio: float | None, unit: str) -> str:
    parts = [] if figure is None else [f"≤ {figure:g} {unit}"]
    parts += [] if ratio is None else [f"≤ {ratio:g} x"]
    return ", ".join(parts)


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
            "outside": line.excess,
        }
        for line in lines
    ]
