"""Waiting until rules, tests or captures change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from ruleproxy.captures.finding import find_files
from ruleproxy.proxy.watching import look_at

_STEP_MS: Final = 50
_LOOK_MS: Final = 1_000
"""How often the files are looked at all the same: some changes raise no event (a folder replaced, a network mount)."""


def wait_for_changes(rules: Sequence[Path], captures: Path | None) -> Iterator[None]:
    """One item at once, and one whenever something is not what it was when the last item was given.

    Raises KeyboardInterrupt for Ctrl-C, wherever it waits.
    """
    from watchfiles import watch

    seen = _look(rules, captures)
    yield None
    while True:
        places = _find_places(rules, captures)
        for _ in watch(
            *places, watch_filter=None, step=_STEP_MS, debounce=_STEP_MS, rust_timeout=_LOOK_MS, yield_on_timeout=True
        ):
            state = _look(rules, captures)
            if state != seen:
                seen = state
                yield None
            if _find_places(rules, captures) != places:
                break


def _look(rules: Sequence[Path], captures: Path | None) -> Any:
    found = [] if captures is None else list(find_files(captures)) if captures.is_dir() else [captures]
    return look_at(rules), look_at(found)


def _find_places(rules: Sequence[Path], captures: Path | None) -> list[Path]:
    """Folders in which changes can happen: those that are named, or the nearest one above that is there."""
    places: list[Path] = []
    for path in (*rules, *([] if captures is None else [captures])):
        place = path.absolute()
        while not place.is_dir():
            place = place.parent
        places.append(place)
    return sorted(set(places))
