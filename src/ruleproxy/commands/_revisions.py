"""Rules as they were at a revision of a git repository: `git:REV[:PATH]`, read out into a folder of their own."""

from __future__ import annotations

import posixpath
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

PREFIX: Final = "git:"
_FILES: Final = frozenset({"100644", "100755"})


class BadRevision(Exception):
    """What is asked for is not in the repository; the message names it."""


@dataclass(frozen=True, slots=True)
class Revision:
    """Where PATH lies in the folder that it was written to, and what that folder is called: `git:REV:FOLDER/`."""

    path: Path
    shown: str


def read_revision(text: str, default: Path, folder: Path) -> Revision:
    """Write the files of `git:REV[:PATH]` into `folder`; PATH is `default` where none is named.

    PATH is relative to the working folder. Of a file its whole folder is written: it may be part of a pack, or read
    tables beside it. Raises `BadRevision`.
    """
    revision, colon, named = text.removeprefix(PREFIX).partition(":")
    path = named if colon and named else str(default)
    if not revision or revision.startswith("-"):
        raise BadRevision(f"{text}: git:REV[:PATH] names a revision")
    try:
        commit = _run(text, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    except BadRevision:
        _run(text, "rev-parse", "--git-dir")  # not a repository at all: that is what to say
        raise BadRevision(f"{text}: no such revision") from None
    here = _run(text, "rev-parse", "--show-prefix").decode("utf-8", "surrogateescape").rstrip("\n")
    if PurePosixPath(path).is_absolute():
        raise BadRevision(f"{text}: a path in a repository is relative")
    full = posixpath.normpath(posixpath.join(here, path))
    if full.startswith(".."):
        raise BadRevision(f"{text}: {path} lies outside of the repository")
    tree = commit.decode().strip()
    entries = list(_list(text, tree, full))
    if not entries:
        raise BadRevision(f"{text}: there is no {path} in this revision")
    top, shown = full, path.rstrip("/")
    if entries[0][2] == full:
        top, shown = posixpath.dirname(full) or ".", posixpath.dirname(path)
        entries = list(_list(text, tree, top, deep=False))
    _write(entries, top, folder, _run(text, "cat-file", "--batch", wanted=[blob for _, blob, _ in entries]))
    return Revision(folder / posixpath.relpath(full, top), f"{PREFIX}{revision}:{shown}{'/' if shown else ''}")


def _list(text: str, tree: str, path: str, *, deep: bool = True) -> Iterator[tuple[str, str, str]]:
    """Mode, hash and path of every file at or below a path."""
    where = [] if path == "." else [path if deep else f"{path}/"]
    listed = _run(text, "ls-tree", "-z", *(["-r"] if deep else []), "--full-tree", tree, "--", *where)
    for entry in listed.decode("utf-8", "surrogateescape").split("\0")[:-1]:
        about, _, name = entry.partition("\t")
        mode, kind, blob = about.split(" ")
        if kind == "tree":
            continue
        if mode not in _FILES:
            raise BadRevision(f"{text}: {name} is a {'link' if kind == 'blob' else 'module'}, which is not followed")
        yield mode, blob, name


def _write(entries: list[tuple[str, str, str]], top: str, folder: Path, blobs: bytes) -> None:
    """The files from what `git cat-file --batch` says: `HASH blob SIZE`, a line end, the bytes, a line end."""
    at = 0
    for _, _, name in entries:
        begin = blobs.index(b"\n", at) + 1
        at = begin + int(blobs[at:begin].split()[-1])
        file = folder / posixpath.relpath(name, top)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(blobs[begin:at])
        at += 1


def _run(text: str, *arguments: str, wanted: list[str] | None = None) -> bytes:
    try:
        done = subprocess.run(  # noqa: S603 - no shell, and what a user names stands behind `--end-of-options`
            ["git", *arguments],  # noqa: S607 - the git of the user's PATH
            input=None if wanted is None else "".join(f"{blob}\n" for blob in wanted).encode(),
            capture_output=True,
            check=False,
        )
    except OSError as error:
        raise BadRevision(f"{text}: git cannot be run: {(error.strerror or str(error)).lower()}") from None
    if done.returncode:
        reason = done.stderr.decode("utf-8", "replace").strip().removeprefix("fatal: ").splitlines()
        raise BadRevision(f"{text}: git: {reason[0] if reason else f'exit code {done.returncode}'}")
    return done.stdout
