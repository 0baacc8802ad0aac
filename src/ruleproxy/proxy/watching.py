"""Telling when folders of rules have changed, however they are written.

Events of the file system tell quickly; some changes raise none (a folder replaced by another, a network mount), so
the files are looked at once a second all the same.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from watchfiles import awatch

from ruleproxy.packs.folders import walk_folders

_log = logging.getLogger("ruleproxy")

_STEP_MS = 40
"""How soon an event is told; many within this time are one."""
_LOOK_SECONDS = 1.0
_FIRST_LOOK_SECONDS = 0.2
"""What happens while a watch is being set up raises no event."""

_KINDS = (".rules", ".toml", ".json", ".lock")

Identity = tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class State:
    """What is there: every file that rules are read from, with what changes when it is written, and every folder."""

    files: tuple[tuple[str, int, int, int], ...]
    folders: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class _Places:
    """Where changes can happen: folders with all that is below them, and folders of which one entry counts."""

    trees: tuple[Identity, ...]
    entries: tuple[Identity, ...]


def look_at(paths: Sequence[Path]) -> State:
    """The state of these files and folders. Hidden files and folders are passed over, links followed."""
    files: list[tuple[str, int, int, int]] = []
    folders: list[tuple[str, int]] = []
    for path in paths:
        if not path.is_dir():
            files += _stat(str(path))
            continue
        for folder, names in walk_folders(path):
            folders += [(folder, status[1]) for status in _stat(folder)]
            for name in names:
                if name.endswith(_KINDS) and not name.startswith("."):
                    files += _stat(os.path.join(folder, name))  # noqa: PTH118 - thousands of these a second are felt
    return State(tuple(sorted(files)), tuple(sorted(folders)))


async def watch_places(paths: Callable[[], Sequence[Path]], look: Callable[[], Awaitable[None]]) -> None:
    """Call `look` whenever something at these paths may have changed, until cancelled; they may become others."""
    while True:
        places = _find_places(paths())
        changed = asyncio.Event()
        watchers = [
            asyncio.create_task(_watch([place for place, _, _ in found], changed, deep=found is places.trees))
            for found in (places.trees, places.entries)
            if found
        ]
        pause = _FIRST_LOOK_SECONDS
        try:
            while _find_places(paths()) == places:
                await look()
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await changed.wait()
                pause = _LOOK_SECONDS
                changed.clear()
        finally:
            for watcher in watchers:
                watcher.cancel()
            await asyncio.gather(*watchers, return_exceptions=True)


async def _watch(places: list[str], changed: asyncio.Event, *, deep: bool) -> None:
    try:
        # Without the library's filter, which passes over everything below folders called `build` or `.venv`.
        async for _ in awatch(*places, watch_filter=None, step=_STEP_MS, debounce=_STEP_MS, recursive=deep):
            changed.set()
    except FileNotFoundError:
        changed.set()  # it went between finding and watching it: the places are others now
    except OSError as error:
        _log.warning("cannot watch %s, so it is looked at once a second: %s", ", ".join(places), error)


def _find_places(paths: Sequence[Path]) -> _Places:
    trees: list[Identity] = []
    entries: list[Identity] = []
    for path in paths:
        if path.is_dir():
            linked = (Path(folder) for folder, _ in walk_folders(path) if Path(folder).is_symlink())
            for tree in (path, *linked):
                trees += _identify(tree.resolve())
        if path.is_symlink() or not path.is_dir():
            entries += _identify(path.absolute().parent)
    return _Places(tuple(sorted(set(trees))), tuple(sorted(set(entries))))


def _stat(path: str) -> list[tuple[str, int, int, int]]:
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError:
        return []  # gone, or a link to nowhere: that it is not there is its state
    return [(path, status.st_mtime_ns, status.st_size, status.st_ino)]


def _identify(path: Path) -> list[Identity]:
    try:
        status = path.stat()
    except OSError:
        return []
    return [(str(path), status.st_dev, status.st_ino)]
