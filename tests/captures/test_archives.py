"""Captures in a tar: streamed, nothing unpacked, every hostile or broken member named while the others are read."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import pytest

from ruleproxy.captures.archives import read_members
from ruleproxy.captures.finding import find_captures
from ruleproxy.captures.source import Source

TEXT = b'{"request": {"method": "GET", "path": "/a"}}'


def add(archive: tarfile.TarFile, name: str, data: bytes = TEXT, **kind: object) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data) if not kind else 0
    for key, value in kind.items():
        setattr(member, key, value)
    archive.addfile(member, io.BytesIO(data) if not kind else None)


def make(file: Path, mode: str, *names: str) -> Path:
    with tarfile.open(file, mode) as archive:  # type: ignore[call-overload]
        for name in names:
            add(archive, name)
    return file


def told(sources: list[Source]) -> list[str]:
    return [f"{source.key}  {source.problem}".rstrip() for source in sources]


@pytest.mark.parametrize(("name", "mode"), [("all.tar", "w"), ("all.tar.gz", "w:gz"), ("all.tgz", "w:gz")])
def test_members_in_order(name: str, mode: str, tmp_path: Path) -> None:
    """In the order of the archive, with the same names of what is no capture passed over as in a folder."""
    file = make(tmp_path / name, mode, "./b.json", "a.json", "sub/c.json", ".hid.json", "x.accepted.json", "note.md")
    sources = list(find_captures(file))
    assert [source.key for source in sources] == [f"{name}:b.json", f"{name}:a.json", f"{name}:sub/c.json"]
    assert [source.read().request.path for source in sources] == [b"/a"] * 3
    accepted = tmp_path / f"{name}.accepted/sub/c.accepted.json"
    assert sources[-1].accepted == accepted


def test_evil_members_are_named_and_never_read(tmp_path: Path) -> None:
    """Names that lead out, links, devices, pipes and doubles: each is named, and what stands between them is read."""
    file = tmp_path / "evil.tar"
    with tarfile.open(file, "w") as archive:
        add(archive, "a.json")
        add(archive, "../../outside.json")
        add(archive, "/etc/absolute.json")
        add(archive, "line\nend.json")
        add(archive, "soft.json", type=tarfile.SYMTYPE, linkname="/etc/passwd")
        add(archive, "hard.json", type=tarfile.LNKTYPE, linkname="a.json")
        add(archive, "null", type=tarfile.CHRTYPE, devmajor=1, devminor=3)
        add(archive, "pipe.json", type=tarfile.FIFOTYPE)
        add(archive, "a.json")
        add(archive, "z.json")
    assert told(list(read_members(file, "e"))) == [
        "e:a.json",
        "e:../../outside.json  a name that leads out of the archive, or cannot be shown",
        "e:/etc/absolute.json  a name that leads out of the archive, or cannot be shown",
        "e:line\\nend.json  a name that leads out of the archive, or cannot be shown",
        "e:soft.json  a link, not a file",
        "e:hard.json  a link, not a file",
        "e:null  a device or a pipe, not a file",
        "e:pipe.json  a device or a pipe, not a file",
        "e:a.json  a second member of this name",
        "e:z.json",
    ]


def test_a_huge_member_is_not_read(tmp_path: Path) -> None:
    """Its size is in its header."""
    file = make(tmp_path / "all.tar", "w", "a.json")
    assert told(list(read_members(file, "all", 10))) == ["all:a.json  larger than 10 bytes"]


def test_a_broken_archive_gives_what_stands_before_the_break(tmp_path: Path) -> None:
    """Cut short, damaged, empty or something else: named, with where it broke."""
    whole = make(tmp_path / "whole.tar.gz", "w:gz", *(f"{number:03}.json" for number in range(300))).read_bytes()
    plain = gzip.decompress(whole)
    cases = {
        "cut.tar.gz": whole[: len(whole) // 2],
        "ended.tar": plain[: 1024 * 11],
        "garbled.tar": plain[: 1024 * 11] + b"x" * 512 + plain[1024 * 12 :],
        "cut.tar": plain[: 1024 * 11 + 300],
        "damaged.tar.gz": whole[:800] + b"\0" * 200 + whole[1000:],
        "text.tar": b"this is no archive" * 100,
        "empty.tar": b"",
        "binary.tar.gz": bytes(range(256)) * 8,
    }
    for name, data in cases.items():
        file = tmp_path / name
        file.write_bytes(data)
        *before, last = find_captures(file)
        assert "not a tar, or a broken one" in last.problem, name
        assert "\n" not in last.problem
        assert all(source.read().request.path == b"/a" for source in before), name
        if name in ("cut.tar", "ended.tar", "garbled.tar"):
            assert len(before) == 11
            assert "behind 010.json" in last.problem
