"""A figure measured several times, and what two of them are to one another."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Sample:
    """One figure, measured once in each round. `unit` is that of the values (empty: a ratio)."""

    values: tuple[float, ...]
    unit: str = "µs"

    @property
    def middle(self) -> float:
        """The median of the rounds."""
        return median(self.values)

    @property
    def spread(self) -> float:
        """Half of what lies between the lowest and the highest round, as a part of the median."""
        return (max(self.values) - min(self.values)) / 2 / self.middle if self.middle else 0.0


def divide(figures: Sample, others: Sample) -> Sample:
    """Round by round, the ratio of two figures whose rounds took turns: a slow minute is slow for both."""
    return Sample(tuple(a / b for a, b in zip(figures.values, others.values, strict=True)), "")


def subtract(figures: Sample, others: Sample) -> Sample:
    """Round by round, how much more one figure is than another."""
    return Sample(tuple(a - b for a, b in zip(figures.values, others.values, strict=True)), figures.unit)
