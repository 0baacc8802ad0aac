"""Captures in a tar, read as a stream. Nothing is unpacked: a name is a name, wherever it would lead."""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Self

from ruleproxy.captures.reading import SIZE_LIMIT
from ruleproxy.captures.source import Source, is_capture_name


class _Header(tarfile.TarInfo):
    """A header that is broken, or not there, ends the reading with an error; the library takes it for the end."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """The header in a block. Raises `tarfile.ReadError`, and `tarfile.HeaderError` for the mark of the end."""
        try:
            return super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if len(buf) == tarfile.BLOCKSIZE and not any(buf):
                raise
            raise tarfile.ReadError(str(error)) from None


def read_members(file: Path, key: str, size_limit: int = SIZE_LIMIT) -> Iterator[Source]:
    """The captures of a tar, compressed or not, in its order; what is wrong with it, or with a member, in its place.

    Raises OSError.
    """
    known: dict[str, None] = {}
    try:
        with tarfile.open(file, "r|*", tarinfo=_Header) as archive:
            for member in archive:
                archive.members = []  # type: ignore[attr-defined]  # or every header that went by is kept
                name = member.name.removeprefix("./")
                if not _is_meant(name, member):
                    continue
                shown = name if name.isprintable() else ascii(name)[1:-1]
                problem = _find_problem(name, member, known, size_limit)
                known[name] = None
                data = None
                if not problem:
                    stream = archive.extractfile(member)
                    data = stream.read() if stream is not None else b""
                yield Source(f"{key}:{shown}", file, member=shown, data=data, problem=problem)
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, ValueError) as error:
        where = f" behind {known.popitem()[0]}" if known else ""
        yield Source(key, file, problem=f"not a tar, or a broken one{where}: {str(error).splitlines()[0].lower()}")


def _is_meant(name: str, member: tarfile.TarInfo) -> bool:
    # What is no file is named whatever it is called: nobody puts a device there by mistake.
    if member.isdir():
        return False
    hidden = any(part.startswith(".") and part.strip(".") for part in name.split("/"))
    return not hidden and (not member.isreg() or is_capture_name(name))


def _find_problem(name: str, member: tarfile.TarInfo, known: Collection[str], size_limit: int) -> str:
    if member.issym() or member.islnk():
        return "a link, not a file"
    if not member.isreg():
        return "a device or a pipe, not a file"
    if name.startswith("/") or "\\" in name or ".." in name.split("/") or not name.isprintable():
        return "a name that leads out of the archive, or cannot be shown"
    if name in known:
        return "a second member of this name"
    if member.size > size_limit:
        return f"larger than {size_limit} bytes"
    return ""
