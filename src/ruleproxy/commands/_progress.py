"""A bar for what takes long: in a terminal, on standard error, and gone at the end."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from rich.progress import Progress

_PATIENCE: Final = 1.0
"""Seconds that pass before it is shown."""
_EVERY: Final = 0.1


_drawn: list[Progress] = []
"""The bar that is on the terminal now, if one is."""


def echo(text: str) -> None:
    """Write a line on standard output: above the bar, where both are on one terminal."""
    if _drawn and sys.stdout.isatty():
        _drawn[0].console.print(text, markup=False, highlight=False, emoji=False, soft_wrap=True)
    else:
        click.echo(text)


class Bar:
    """Counts steps. It draws where standard error is a terminal, by hand: no thread of its own."""

    def __init__(self, title: str, total: int | None) -> None:
        self._title = title
        self._total = total
        self._done = 0
        self._drawn = time.monotonic() + _PATIENCE - _EVERY
        self._progress: Progress | None = None
        self._shown = sys.stderr.isatty()

    def __enter__(self) -> Bar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            _drawn.clear()
            self._progress.stop()

    def advance(self) -> None:
        """One step more."""
        self._done += 1
        if not self._shown or time.monotonic() - self._drawn < _EVERY:
            return
        if self._progress is None:
            self._progress = self._begin()
        self._progress.update(self._progress.task_ids[0], completed=self._done)
        self._progress.refresh()
        self._drawn = time.monotonic()

    def _begin(self) -> Progress:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
        )
        progress.add_task(self._title, total=self._total)
        progress.start()
        _drawn.append(progress)
        return progress
