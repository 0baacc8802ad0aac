"""One capture that was found: a file, a line of a JSONL file, a member of a tar. Nothing of it was parsed yet."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ruleproxy.captures.capture import Capture
from ruleproxy.captures.reading import BadCapture, parse_capture, read_capture

SNAPSHOT_SUFFIX: Final = ".expected.json"
ACCEPTED_SUFFIX: Final = ".accepted.json"
"""What stands behind the name of a capture in the name of its accepted outcome."""
ACCEPTED_FOLDER: Final = ".accepted"


@dataclass(frozen=True, slots=True)
class Source:
    """A capture that was found.

    `key` names it within what was given, and so is the same on every machine. `data` is its text where it is no file
    of its own, but a `line` or a `member`. `problem`: it is there, but not as a capture can be. `number` is its place
    among all of a run.
    """

    key: str
    file: Path
    line: int | None = None
    member: str = ""
    data: bytes | None = None
    problem: str = ""
    number: int = 0

    @property
    def name(self) -> str:
        """Where it stands, for people: `a.json`, `all.jsonl:12`, `all.tar.gz:sub/one.json`."""
        inside = self.member or ("" if self.line is None else str(self.line))
        return f"{self.shown_file}:{inside}" if inside else self.shown_file

    @property
    def shown_file(self) -> str:
        """Its file, for people: what is no UTF-8, or would break a line or colour a terminal, written out."""
        shown = os.fsencode(self.file).decode("utf-8", "backslashreplace")
        return shown if shown.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in shown)

    def read(self) -> Capture:
        """The capture. Raises `BadCapture`."""
        if self.problem:
            raise BadCapture(Path(self.name), "", self.problem)
        return read_capture(self.file) if self.data is None else parse_capture(self.data, Path(self.name))

    @property
    def accepted(self) -> Path:
        """Where its accepted outcome lies: beside it, or in a folder beside the file that it is in."""
        if self.line is None and not self.member:
            return self.file.with_name(self.file.name.removesuffix(".json") + ACCEPTED_SUFFIX)
        inside = self.member.removesuffix(".json") or f"line-{self.line}"
        return self.file.with_name(self.file.name + ACCEPTED_FOLDER) / f"{inside}{ACCEPTED_SUFFIX}"


def is_capture_name(name: str) -> bool:
    """Whether a file, or a member, of this name is one capture; snapshots of tests and accepted outcomes are not."""
    return name.endswith(".json") and not name.endswith((SNAPSHOT_SUFFIX, ACCEPTED_SUFFIX))
