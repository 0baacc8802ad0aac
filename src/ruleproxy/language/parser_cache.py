"""The parser's tables, kept between processes: making them from the grammar takes longer than reading a hundred rules.

They lie in the user's cache folder (`$XDG_CACHE_HOME` or `~/.cache`, then `ruleproxy`), under a name made of the
grammar and of the versions of Lark and Python, so that nothing stale is ever read. Lark keeps them as a pickle, which
can run code when it is read: a folder or a file that somebody else owns or could write is left alone. Where nothing
can be kept (a read-only home, a full disk), the tables are made anew each time and nothing else changes.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import lark

OPTIONS: Mapping[str, Any] = {
    "parser": "lalr",
    "lexer": "contextual",
    "start": ["file", "expression"],
    "keep_all_tokens": True,
    "maybe_placeholders": False,
}


def make_parser(grammar: str, transformer: object) -> lark.Lark:
    """The parser of a grammar, from kept tables where there are any; keeps them where it can."""
    kept = find_kept(grammar)
    if kept is None:
        return lark.Lark(grammar, **OPTIONS, transformer=transformer)
    with suppress(OSError):
        if not is_ours(kept):
            kept.unlink()
    # A file that another process is just writing does not read as a whole pickle: Lark makes the tables anew then.
    made = lark.Lark(grammar, **OPTIONS, transformer=transformer, cache=str(kept))
    with suppress(OSError):
        kept.chmod(0o600)
    return made


def find_kept(grammar: str) -> Path | None:
    """The file that the tables of a grammar are kept in, there or not; None where nothing can be kept."""
    try:
        home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        folder = Path(home) / "ruleproxy"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # no home at all, or one that cannot be written
        return None
    if not is_ours(folder) or not os.access(folder, os.W_OK):
        return None
    versions = f"{lark.__version__} {sys.implementation.cache_tag}"
    digest = hashlib.sha256(f"{versions} {sorted(OPTIONS.items())} {grammar}".encode()).hexdigest()
    return folder / f"parser-{digest[:32]}"


def is_ours(path: Path) -> bool:
    """Whether a file or folder is there, belongs to this user, and nobody else can write it."""
    try:
        found = path.lstat()
    except OSError:
        return False
    shared = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return found.st_uid == os.geteuid() and not shared and not stat.S_ISLNK(found.st_mode)
