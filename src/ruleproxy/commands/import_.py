"""`ruleproxy import`: captures of what other tools recorded."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from ruleproxy.commands._where import stop
from ruleproxy.language.counts import count

if TYPE_CHECKING:
    from ruleproxy.captures.capture import Capture

SIZE_LIMIT: Final = 1024 * 1024 * 1024
_UNFIT: Final = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST_NAME: Final = 60


@click.command(name="import", short_help="Make captures of HAR, curl command lines and raw requests.")
@click.argument("files", nargs=-1, required=True, metavar="FILE…")
@click.option("--out", required=True, metavar="DIR", type=click.Path(path_type=Path), help="Where captures go.")
@click.option("--url", "urls", multiple=True, metavar="GLOB", help="Of a HAR, only what went to URLs like this.")
@click.option("--force", is_flag=True, help="Replace captures that are there already and differ.")
def command(files: tuple[str, ...], out: Path, urls: tuple[str, ...], force: bool) -> None:
    """Make captures of HAR files, `curl` command lines and raw HTTP requests; `-` is standard input.

    Credentials are masked before anything is written. What is broken is named, and the rest is imported.

    Exit codes: 0 done, 2 usage, or something that cannot be read or written.
    """
    if out.exists() and not out.is_dir():
        stop(2, f"--out {out}: this is a file")
    importer = _Importer(out, force=force, narrowed=bool(urls))

    def wanted(url: str) -> bool:
        return not urls or any(fnmatchcase(url, glob) for glob in urls)

    for name in files:
        importer.take(name, wanted)
    click.echo(importer.summary())
    sys.exit(2 if importer.problems else 0)


class _Importer:
    """Writes captures to a folder and counts what became of what was found."""

    def __init__(self, out: Path, *, force: bool, narrowed: bool) -> None:
        self._out = out
        self._force = force
        self._narrowed = narrowed
        self._counts: Counter[str] = Counter()

    @property
    def problems(self) -> int:
        """How much could not be read or written."""
        return self._counts["broken"]

    def take(self, name: str, wanted: Callable[[str], bool]) -> None:
        """Import one file."""
        from ruleproxy.captures.importing import read_foreign
        from ruleproxy.captures.importing.found import Broken, CannotImport, Imported

        file = Path(name)
        try:
            text = _read(file)
            before = sum(self._counts.values())
            for number, found in enumerate(read_foreign(text, Path() if name == "-" else file.parent, wanted), 1):
                where = f"{name} at {found.place}" if found.place else name
                if isinstance(found, Imported):
                    self._write(_name_file(file, number if found.place else None, found.capture), where, found.capture)
                elif isinstance(found, Broken):
                    self._complain(f"{where}: {found.problem}")
                else:
                    self._counts["left out"] += 1
                    click.echo(f"left out  {where}: {found.reason}", err=True)
            if sum(self._counts.values()) == before:
                self._complain(f"{name}: it has no exchange{' with such a URL' if self._narrowed else ''}")
        except CannotImport as error:
            self._complain(f"{name}: {error}")
        except OSError as error:
            self._complain(f"{name}: {(error.strerror or str(error)).lower()}")

    def summary(self) -> str:
        """What was done, in one line."""
        said = f"{count(self._counts['written'], 'capture')} written to {self._out}"
        for kind in ("there already", "left out", "broken"):
            said += f", {self._counts[kind]} {kind}" if self._counts[kind] else ""
        return said

    def _write(self, name: str, where: str, capture: Capture) -> None:
        from ruleproxy.captures.redaction import mask_capture
        from ruleproxy.captures.writing import render_capture, write_whole

        file = self._out / name
        text = render_capture(mask_capture(capture))
        if file.exists():
            if file.read_bytes() == text:
                self._counts["there already"] += 1
                return
            if not self._force:
                self._complain(f"{where}: {file} is there already and differs (--force replaces it)")
                return
        self._out.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(file, text)
        self._counts["written"] += 1
        asked = capture.request
        answer = "no answer" if capture.response is None else str(capture.response.status)
        path = asked.path.partition(b"?")[0].decode("latin-1")
        click.echo(f"{file}  {asked.method} {path}  {answer}")

    def _complain(self, message: str) -> None:
        self._counts["broken"] += 1
        click.echo(f"ruleproxy: {message}", err=True)


def _read(file: Path) -> bytes:
    from ruleproxy.captures.importing.found import CannotImport

    if str(file) == "-":
        text = sys.stdin.buffer.read(SIZE_LIMIT + 1)
    else:
        with file.open("rb") as stream:
            text = stream.read(SIZE_LIMIT + 1)
    if len(text) > SIZE_LIMIT:
        raise CannotImport(f"larger than {SIZE_LIMIT} bytes")
    return text


def _name_file(file: Path, number: int | None, capture: Capture) -> str:
    stem = "stdin" if str(file) == "-" else _UNFIT.sub("-", file.stem).strip("-.") or "import"
    path = capture.request.path.partition(b"?")[0].decode("latin-1")
    shown = _UNFIT.sub("-", path).strip("-.") or "root"
    counted = "" if number is None else f"-{number:04d}"
    return f"{stem[:_LONGEST_NAME]}{counted}-{shown[:_LONGEST_NAME].rstrip('-.')}.json"
