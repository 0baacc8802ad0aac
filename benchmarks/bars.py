"""What each comparison has to come to.

`goal` is where the project wants to be; goals in microseconds are those of one particular machine. `must` makes the
exit code: a ratio to something that ran in the same minutes, so that it holds on any machine, with about a quarter
left for noise above what was measured when it was set.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Bounds:
    """The most that a figure, in its own unit, and its ratio to what stands beside it may be."""

    figure: float | None = None
    ratio: float | None = None

    def keep(self, figure: float, ratio: float | None) -> bool:
        """Whether both are within; a ratio that was not measured is."""
        over_figure = self.figure is not None and figure > self.figure
        return not over_figure and not (self.ratio is not None and ratio is not None and ratio > self.ratio)


ANY = Bounds()


@dataclass(frozen=True, slots=True)
class Bar:
    """What one line should come to, and what it has to."""

    goal: Bounds = ANY
    must: Bounds = ANY


NO_BAR = Bar()

BARS: Mapping[str, Bar] = MappingProxyType(
    {
        "engine, 87 B / hand": Bar(Bounds(ratio=1.5)),
        "engine, typical / hand": Bar(Bounds(ratio=1.5), Bounds(ratio=1.25)),
        "engine, worst / hand": Bar(Bounds(ratio=1.5), Bounds(ratio=2.2)),
        "1000 rules, 87 B / few": Bar(Bounds(figure=50)),
        "1000 rules, typical / few": Bar(Bounds(figure=50)),
        "check": Bar(Bounds(figure=1_800_000)),
        "first load": Bar(Bounds(figure=1_000_000)),
        "load, nothing changed / first": Bar(Bounds(figure=300_000), Bounds(ratio=0.25)),
        "load, one rule changed / first": Bar(Bounds(figure=300_000), Bounds(ratio=0.35)),
        "load, one rule more / first": Bar(Bounds(figure=300_000), Bounds(ratio=0.35)),
        "load, a line more in front / first": Bar(Bounds(figure=300_000), Bounds(ratio=0.35)),
        "captures, two cores": Bar(Bounds(figure=60), Bounds(figure=60)),
        "captures, memory": Bar(Bounds(ratio=1.1), Bounds(ratio=1.2)),
        "87 B / obvious": Bar(Bounds(figure=500), Bounds(ratio=0.4)),
        "87 B, rules / obvious": Bar(Bounds(figure=500), Bounds(ratio=0.4)),
        "typical / obvious": Bar(must=Bounds(ratio=0.6)),
        "typical, rules / obvious": Bar(must=Bounds(ratio=0.6)),
        "typical, rules / nginx": Bar(Bounds(ratio=0.7)),
        "worst / obvious": Bar(must=Bounds(ratio=0.6)),
        "worst, rules / obvious": Bar(Bounds(ratio=1.0), must=Bounds(ratio=0.8)),
        "worst, rules / nginx": Bar(Bounds(ratio=1.0)),
        "event alone / obvious": Bar(Bounds(figure=25), Bounds(ratio=0.65)),
        "event in a torrent / obvious": Bar(Bounds(figure=25), Bounds(ratio=0.3)),
        "open streams, memory": Bar(Bounds(figure=300), Bounds(figure=300)),
        "leaving, slowest": Bar(Bounds(figure=100), Bounds(figure=100)),
        "shadow, typical": Bar(Bounds(ratio=1.3), Bounds(ratio=1.3)),
        "first byte after the upstream's / obvious": Bar(Bounds(figure=2_000), Bounds(ratio=1.0)),
    }
)


def find_bar(key: str) -> Bar:
    """The bar of a line; a line without one is for information."""
    return BARS.get(key, NO_BAR)
