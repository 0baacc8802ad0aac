"""Which packs can be used, and what is wrong with one that is opened."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ruleproxy.packs.manifest import BadManifest
from ruleproxy.packs.shelf import Shelf
from ruleproxy.resources import packs_folder


def write_pack(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pack.toml").write_text(f'name = "{name}"\nversion = "1.0"\nedition = 1\ndescription = "d"\n')
    (folder / "a.rules").write_text("edition 1\n")
    return folder


def test_ones_own_packs_come_first(tmp_path: Path) -> None:
    """A folder of the user's may hold its own edition of a shipped pack; a broken neighbour is in nobody's way."""
    (tmp_path / "a-broken").mkdir()
    (tmp_path / "a-broken" / "pack.toml").write_text("name = ")
    own = write_pack(tmp_path / "deep" / "x", "ruleproxy/strict-apim")
    assert Shelf([tmp_path], packs_folder()).find("ruleproxy/strict-apim") == own
    assert Shelf([], packs_folder()).find("ruleproxy/strict-apim") == packs_folder() / "strict-apim"
    assert Shelf([tmp_path], packs_folder()).find("acme/unknown") is None


def test_beside_a_file(tmp_path: Path) -> None:
    """The packs of the folder that a single file lies in are found, three levels down: below may lie a whole home."""
    file = tmp_path / "only.rules"
    file.write_text("edition 1\n")
    near = write_pack(tmp_path / "packs" / "acme" / "near", "acme/near")
    write_pack(tmp_path / "a" / "b" / "c" / "d", "acme/far")
    shelf = Shelf([file], packs_folder())
    assert shelf.find("acme/near") == near
    assert shelf.find("acme/far") is None
    assert Shelf([tmp_path], packs_folder()).find("acme/far") is not None
    assert "the folder of" in shelf.described
    assert "only.rules" in shelf.described


@pytest.mark.skipif(os.geteuid() != 0, reason="takes the right to give files away")
def test_a_stranger_beside_a_file(tmp_path: Path) -> None:
    """A single file may lie where everybody writes: a pack of somebody else there is none of its."""
    file = tmp_path / "only.rules"
    file.write_text("edition 1\n")
    own = write_pack(tmp_path / "own", "acme/mine")
    stranger = write_pack(tmp_path / "a-stranger", "ruleproxy/strict-apim")
    for path in (file, own):
        os.chown(path, 1000, 1000)
    os.chown(stranger, 1001, 1001)
    shelf = Shelf([file], packs_folder())
    assert shelf.find("acme/mine") == own
    assert shelf.find("ruleproxy/strict-apim") == packs_folder() / "strict-apim"


def test_links_and_hidden_folders(tmp_path: Path) -> None:
    """As for rules: what a link brings in counts, a loop of links ends, a hidden folder is none of the rules."""
    rules = tmp_path / "rules"
    rules.mkdir()
    write_pack(tmp_path / "elsewhere", "acme/linked")
    write_pack(rules / ".old", "acme/hidden")
    (rules / "linked").symlink_to(tmp_path / "elsewhere")
    (rules / "again").symlink_to(rules)
    shelf = Shelf([rules], packs_folder())
    assert shelf.find("acme/linked") == rules / "linked"
    assert shelf.find("acme/hidden") is None


def test_a_pack_without_a_manifest(tmp_path: Path) -> None:
    """Or with one that cannot be read: the file is named, and a pipe is not waited for."""
    with pytest.raises(BadManifest, match=r"pack\.toml: no such file"):
        Shelf([], packs_folder()).open(tmp_path)
    os.mkfifo(tmp_path / "pack.toml")
    with pytest.raises(BadManifest, match=r"pack\.toml: not a file"):
        Shelf([tmp_path], packs_folder()).open(tmp_path)


def test_a_pack_is_read_once(tmp_path: Path) -> None:
    """However often it is used: what it says the first time counts."""
    pack = write_pack(tmp_path / "x", "acme/x")
    shelf = Shelf([tmp_path], packs_folder())
    first = shelf.open(pack)
    (pack / "a.rules").write_text("edition 2\n")
    assert shelf.open(pack) is first
