"""Reading a folder of rules: which files count, in which order, all in one go."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MANIFEST = "pack.toml"
SUFFIX = ".rules"


@dataclass(frozen=True, slots=True)
class RulesText:
    """One file as it was read: a name for people, its path relative to the rules folder, its bytes."""

    shown: str
    relative: str
    path: Path
    data: bytes


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file or folder that could not be read, and why."""

    shown: str
    reason: str


def read_rules(path: Path) -> tuple[list[RulesText], list[Unreadable]]:
    """The rules files of a folder, or the one file that `path` is.

    Files are in bytewise order of their relative path. Hidden files, `*.tmp` and folders with a manifest (packs,
    which act only where a `use` names them) are passed over; a folder is entered once, however links lead to it.
    """
    found: list[tuple[str, Path]] = []
    problems: list[Unreadable] = []
    if path.is_dir():
        _collect(path, "", found, problems, set())
        found.sort(key=lambda item: os.fsencode(item[0]))
    else:
        found.append((path.name, path))
    texts: list[RulesText] = []
    for relative, file in found:
        try:
            texts.append(RulesText(shown_path(file), relative, file, read_file(file)))
        except OSError as error:
            problems.append(Unreadable(shown_path(file), (error.strerror or str(error)).lower()))
    return texts, problems


def read_file(path: Path, limit: int = -1) -> bytes:
    """The bytes of a regular file, the first `limit` of them.

    Raises `OSError`, also for a pipe or a device, whose reader might wait for ever.
    """
    # Without waiting for the writer of a pipe, so that it can be told by what it is.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as stream:
        mode = os.fstat(stream.fileno()).st_mode
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "is a directory" if stat.S_ISDIR(mode) else "not a file")
        return stream.read(limit)


def walk_folders(top: Path, depth: int | None = None) -> Iterator[tuple[str, list[str]]]:
    """Every folder from `top` down, `depth` levels at most, with the names of its files, both in order.

    Hidden folders are passed over, links followed; a folder that links lead to twice is entered once.
    """
    entered: set[tuple[int, int]] = set()
    levels = len(top.parts)
    for folder, below, names in os.walk(top, followlinks=True):
        try:
            status = os.stat(folder)  # noqa: PTH116
        except OSError:
            below.clear()
            continue
        if (status.st_dev, status.st_ino) in entered:
            below.clear()
            continue
        entered.add((status.st_dev, status.st_ino))
        below[:] = sorted(name for name in below if not name.startswith("."))
        if depth is not None and len(Path(folder).parts) - levels >= depth:
            below.clear()
        yield folder, sorted(names)


def _collect(
    folder: Path, prefix: str, found: list[tuple[str, Path]], problems: list[Unreadable], entered: set[tuple[int, int]]
) -> None:
    try:
        status = folder.stat()
        if (status.st_dev, status.st_ino) in entered:
            return
        entered.add((status.st_dev, status.st_ino))
        names = sorted(child.name for child in folder.iterdir())
    except OSError as error:
        problems.append(Unreadable(shown_path(folder), (error.strerror or str(error)).lower()))
        return
    if prefix and MANIFEST in names:
        return
    for name in names:
        child = folder / name
        if name.startswith(".") or name.endswith(".tmp"):
            continue
        if child.is_dir():
            _collect(child, f"{prefix}{name}/", found, problems, entered)
        elif not name.endswith(SUFFIX):
            continue
        elif child.is_file() or not child.exists():
            found.append((f"{prefix}{name}", child))
        else:
            problems.append(Unreadable(shown_path(child), "not a file"))  # a pipe, whose reader waits for ever


def shown_path(path: Path) -> str:
    """A path for people: relative where it is below the working folder."""
    try:
        return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
    except OSError:  # the working folder was removed
        return str(path)
