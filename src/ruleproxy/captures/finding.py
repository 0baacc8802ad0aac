"""Where captures lie: a folder, one file, the lines of a JSONL file, the members of a tar. One is held at a time."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ruleproxy.captures.archives import read_members
from ruleproxy.captures.reading import SIZE_LIMIT
from ruleproxy.captures.source import ACCEPTED_FOLDER, ACCEPTED_SUFFIX, SNAPSHOT_SUFFIX, Source, is_capture_name

LINES: Final = (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")
ARCHIVES: Final = (".tar", ".tar.gz", ".tgz")


def find_captures(path: Path) -> Iterator[Source]:
    """The captures of a folder and those below it in the order of their names, or of one file.

    A file that is a snapshot or an accepted outcome has none: `captures/*.json` names such, too. Files and archives are
    opened as they are come to; what cannot be is a source with a problem.
    """
    if not path.is_dir():
        if not path.name.endswith((SNAPSHOT_SUFFIX, ACCEPTED_SUFFIX)):
            yield from open_file(path, path.name)
        return
    for file in find_files(path):
        yield from open_file(file, os.fsencode(file.relative_to(path)).decode("utf-8", "backslashreplace"))


def find_files(folder: Path) -> Iterator[Path]:
    """The files of captures in a folder and below, in the order of their names; a folder that cannot be read, too.

    What is hidden, snapshots and accepted outcomes, and folders behind links are passed over.
    """
    try:
        with os.scandir(folder) as entries:
            children = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries)
    except OSError:
        yield folder  # opening it says what is wrong
        return
    for name, is_folder in children:
        if name.startswith(".") or name.endswith(ACCEPTED_FOLDER):
            continue
        if is_folder:
            yield from find_files(folder / name)
        elif is_capture_name(name) or name.endswith((*LINES, *ARCHIVES)):
            yield folder / name


def find_accepted(path: Path) -> Iterator[Path]:
    """The accepted outcomes in a folder and below; none in what is no folder."""
    try:
        with os.scandir(path) as entries:
            children = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries)
    except OSError:
        return  # finding captures says what is wrong
    for name, is_folder in children:
        if name.startswith("."):
            continue
        if is_folder:
            yield from find_accepted(path / name)
        elif name.endswith(ACCEPTED_SUFFIX):
            yield path / name


def open_file(file: Path, key: str) -> Iterator[Source]:
    """The captures of one file."""
    try:
        if file.is_dir():
            os.scandir(file).close()
        elif file.exists() and not file.is_file():
            yield Source(key, file, problem="not a file")  # a pipe, whose reader waits for ever
        elif file.name.endswith(ARCHIVES):
            yield from read_members(file, key)
        elif file.name.endswith(LINES):
            yield from read_lines(file, key)
        else:
            yield Source(key, file)
    except OSError as error:
        yield Source(key, file, problem=f"cannot be read: {(error.strerror or str(error)).lower()}")


def read_lines(file: Path, key: str, size_limit: int = SIZE_LIMIT) -> Iterator[Source]:
    """The captures of a JSONL file, compressed or not, one a line; where its compression breaks off, that is the last.

    Raises OSError.
    """
    number = 0
    try:
        with gzip.open(file) if file.name.endswith(".gz") else file.open("rb") as stream:
            while text := stream.readline(size_limit + 1):
                number += 1
                if len(text) > size_limit:
                    while text and not text.endswith(b"\n"):
                        text = stream.readline(size_limit)
                    yield Source(f"{key}:{number}", file, number, problem=f"larger than {size_limit} bytes")
                elif text.strip():
                    yield Source(f"{key}:{number}", file, number, data=text)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        where = f" behind line {number}" if number else ""
        yield Source(key, file, problem=f"not gzip, or broken{where}: {str(error).lower()}")
