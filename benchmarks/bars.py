"""What each comparison has to come to.

`goal` is where the project wants to be; some goals are microseconds of one particular machine. `must` makes the exit
code and is a ratio to something that ran in the same minutes, so that it holds on any machine; it leaves about a
quarter for noise above what was measured when it was set.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Bar:
    """Upper bounds of one line: of its own figure in its unit, and of its ratio to what stands beside it."""

    figure_goal: float | None = None
    ratio_goal: float | None = None
    figure_must: float | None = None
    ratio_must: float | None = None


NO_BAR = Bar()

BARS: Mapping[str, Bar] = MappingProxyType(
    {
        "87 B / obvious": Bar(figure_goal=500),
        "87 B, rules / obvious": Bar(ratio_must=0.5),
        "typical, rules / obvious": Bar(ratio_must=0.6),
        "worst, rules / obvious": Bar(ratio_must=1.0),
        "typical, rules / nginx": Bar(ratio_goal=0.7),
        "worst, rules / nginx": Bar(ratio_goal=1.0),
        "engine, typical / hand": Bar(ratio_goal=1.5),
        "engine, worst / hand": Bar(ratio_goal=1.5),
        "1000 rules, 87 B / few": Bar(figure_goal=50),
        "stream, an event / obvious": Bar(figure_goal=25),
        "first byte, 87 B, rules / obvious": Bar(figure_goal=2_000),
        "first byte, worst, rules / obvious": Bar(figure_goal=2_000),
    }
)


def find_bar(key: str) -> Bar:
    """The bar of a line; a line without one is for information."""
    return BARS.get(key, NO_BAR)
