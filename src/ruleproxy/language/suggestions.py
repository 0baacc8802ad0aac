"""Did you mean: the known name that is nearest to a mistyped one."""

from __future__ import annotations

from collections.abc import Iterable

LONGEST = 64
"""Names longer than this are not compared: no one mistypes them, and the comparison is quadratic."""


def find_nearest(word: str, names: Iterable[str]) -> str | None:
    """The name with the fewest typing slips from `word`, if there is one within a third of its length."""
    best: str | None = None
    allowed = max(1, len(word) // 3)
    if len(word) > LONGEST:
        return None
    for name in sorted(names):
        if abs(len(name) - len(word)) > allowed or len(name) > LONGEST:
            continue
        distance = count_slips(word.lower(), name.lower())
        if distance <= allowed and (best is None or distance < count_slips(word.lower(), best.lower())):
            best = name
    return best


def count_slips(left: str, right: str) -> int:
    """Insertions, deletions, replacements and swaps of neighbours that make one word of the other."""
    rows = [list(range(len(right) + 1))]
    for at, letter in enumerate(left, start=1):
        row = [at]
        for to, other in enumerate(right, start=1):
            slips = min(rows[-1][to] + 1, row[-1] + 1, rows[-1][to - 1] + (letter != other))
            if at > 1 and to > 1 and letter == right[to - 2] and left[at - 2] == other:
                slips = min(slips, rows[-2][to - 2] + 1)
            row.append(slips)
        rows.append(row)
    return rows[-1][-1]
