"""The lock of a pack: the SHA-256 of every file in it, as `sha256sum` writes and checks them.

A pack without one is not locked. A pack with one is used only if every file in it is there with the very same bytes,
and no other file: a table or a rules file more could change what the pack does. Hidden files are no part of a pack.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from ruleproxy.packs.folders import read_file, walk_folders
from ruleproxy.packs.manifest import BadPack

LOCK: Final = "pack.lock"

_LINE: Final = re.compile(r"([0-9a-f]{64}) [ *](.+)")


class BadLock(BadPack):
    """A pack whose files are not those that were locked; the message names the first that differs."""


def check_lock(folder: Path, read: Mapping[str, bytes]) -> None:
    """Compare the files of a pack with its lock, where it has one; `read` are the bytes of those read already.

    Raises `BadLock`.
    """
    lock = folder / LOCK
    try:
        locked = parse_lock(read_file(lock).decode(errors="surrogateescape"), lock)
    except FileNotFoundError:
        return
    except OSError as error:
        raise BadLock(f"{lock}: {(error.strerror or str(error)).lower()}") from None
    found = hash_files(folder, read)
    for name in sorted(locked.keys() | found.keys()):
        if name not in found:
            raise BadLock(f"{folder / name}: is in {LOCK} and not in the pack")
        if name not in locked:
            raise BadLock(f"{folder / name}: is not in {LOCK}")
        if found[name] != locked[name]:
            raise BadLock(f"{folder / name}: the checksum is not the one in {LOCK}")


def parse_lock(text: str, file: Path) -> dict[str, str]:
    """The checksums in the text of a lock, by the names of the files. Raises `BadLock`."""
    locked: dict[str, str] = {}
    for number, line in enumerate(text.removesuffix("\n").split("\n") if text else (), 1):
        match = _LINE.fullmatch(line)
        if match is None or match[2] in locked:
            raise BadLock(f"{file}:{number}: a line is a SHA-256, two spaces, and a file named once")
        locked[match[2]] = match[1]
    return locked


def write_lock(hashes: Mapping[str, str]) -> str:
    """The text of a lock."""
    return "".join(
        f"{digest}  {name}\n" for name, digest in sorted(hashes.items(), key=lambda item: os.fsencode(item[0]))
    )


def hash_files(folder: Path, read: Mapping[str, bytes] = MappingProxyType({})) -> dict[str, str]:
    """The SHA-256 of every file of a pack but its lock, by its name in the pack. Raises `BadLock`."""
    hashes: dict[str, str] = {}
    for inner, names in walk_folders(folder):
        for name in names:
            file = Path(inner, name)
            relative = file.relative_to(folder).as_posix()
            if name.startswith(".") or name.endswith(".tmp") or relative == LOCK:
                continue
            if "\n" in relative or "\\" in relative:
                raise BadLock(f"{str(file)!r}: the name of a file in a locked pack is one line without backslashes")
            try:
                data = read[relative] if relative in read else read_file(file)
            except OSError as error:
                raise BadLock(f"{file}: {(error.strerror or str(error)).lower()}") from None
            hashes[relative] = hashlib.sha256(data).hexdigest()
    return hashes
