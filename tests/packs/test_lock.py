"""The lock of a pack: every file in it, byte for byte, and none more."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from ruleproxy.packs.lock import BadLock, check_lock, hash_files, parse_lock, write_lock
from ruleproxy.packs.shelf import Shelf
from ruleproxy.resources import packs_folder


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """A locked pack with a table in a folder."""
    folder = tmp_path / "pack"
    (folder / "tables").mkdir(parents=True)
    (folder / "pack.toml").write_text('name = "acme/x"\nversion = "1"\nedition = 1\ndescription = "d"\n')
    (folder / "1.rules").write_text("edition 1\n")
    (folder / "tables" / "names.json").write_text("{}")
    (folder / "pack.lock").write_text(write_lock(hash_files(folder)))
    return folder


def test_as_it_was_locked(pack: Path) -> None:
    """The pack is used; hidden files and a file that an editor is just writing are no part of it."""
    (pack / ".git").mkdir()
    (pack / ".git" / "HEAD").write_text("x")
    (pack / ".1.rules.swp").write_text("x")
    (pack / "1.rules.tmp").write_text("x")
    check_lock(pack, {})
    assert Shelf([], packs_folder()).open(pack).manifest.name == "acme/x"


@pytest.mark.parametrize("name", ["pack.toml", "1.rules", "tables/names.json"])
def test_another_byte(pack: Path, name: str) -> None:
    """In whichever file, of a table as well: the pack is not used."""
    (pack / name).write_text((pack / name).read_text() + "\n")
    with pytest.raises(BadLock, match=rf"{name}: the checksum is not the one in pack\.lock"):
        Shelf([], packs_folder()).open(pack)


def test_a_file_more_or_less(pack: Path) -> None:
    """Either could change what the pack does."""
    (pack / "2.rules").write_text("edition 1\n")
    with pytest.raises(BadLock, match=r"2\.rules: is not in pack\.lock"):
        Shelf([], packs_folder()).open(pack)
    (pack / "2.rules").unlink()
    (pack / "tables" / "names.json").unlink()
    with pytest.raises(BadLock, match=r"names\.json: is in pack\.lock and not in the pack"):
        Shelf([], packs_folder()).open(pack)


def test_what_was_read_is_what_counts(pack: Path) -> None:
    """The bytes that rules are made of are compared, not those that lie there a moment later."""
    check_lock(pack, {"1.rules": b"edition 1\n"})
    with pytest.raises(BadLock, match=r"1\.rules"):
        check_lock(pack, {"1.rules": b"edition 1 \n"})


@pytest.mark.parametrize("text", ["x\n", f"{'0' * 64} 1.rules\n", f"{'0' * 64}  a\n{'1' * 64}  a\n", "\n"])
def test_a_lock_that_is_none(pack: Path, text: str) -> None:
    """The line is named; an empty lock is one of no files."""
    with pytest.raises(BadLock, match=r"pack\.lock:\d: "):
        parse_lock(text, pack / "pack.lock")
    (pack / "pack.lock").write_text("")
    with pytest.raises(BadLock, match=r"1\.rules: is not in pack\.lock"):
        Shelf([], packs_folder()).open(pack)


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="no sha256sum")
def test_another_program_reads_it(pack: Path) -> None:
    """A lock is what `sha256sum` writes and checks."""
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "pack.lock"], cwd=pack, check=True)
