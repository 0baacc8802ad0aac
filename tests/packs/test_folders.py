"""Which files of a folder are rules, in which order, and what cannot be read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ruleproxy.packs import folders
from ruleproxy.packs.folders import read_rules


def write(folder: Path, *names: str) -> None:
    for name in names:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)


def names(folder: Path) -> list[str]:
    texts, problems = read_rules(folder)
    assert not problems
    return [text.relative for text in texts]


def test_order_is_bytewise(tmp_path: Path) -> None:
    """Of the whole relative path, whatever the locale and the file system say."""
    write(tmp_path, "b.rules", "a/z.rules", "a.rules", "B.rules", "10.rules", "9.rules", "é.rules", "a-b.rules")
    expected = ["10.rules", "9.rules", "B.rules", "a-b.rules", "a.rules", "a/z.rules", "b.rules", "é.rules"]
    assert names(tmp_path) == expected


def test_what_is_passed_over(tmp_path: Path) -> None:
    """Hidden files and folders, what editors leave, files of other kinds."""
    write(tmp_path, "a.rules", ".b.rules", ".git/c.rules", "d.rules.tmp", "e.tmp/f.rules", "g.rules~", "h.txt", "rules")
    assert names(tmp_path) == ["a.rules"]


def test_packs_act_where_they_are_named_only(tmp_path: Path) -> None:
    """A folder below with a manifest is no part of the folder; the top itself may be one."""
    write(tmp_path, "a.rules", "packs/x/pack.toml", "packs/x/b.rules", "packs/c.rules")
    assert names(tmp_path) == ["a.rules", "packs/c.rules"]
    assert names(tmp_path / "packs" / "x") == ["b.rules"]


def test_links_are_followed_once(tmp_path: Path) -> None:
    """A file or folder from elsewhere counts; a folder that leads back to itself is entered once."""
    rules, elsewhere = tmp_path / "rules", tmp_path / "elsewhere"
    write(rules, "a.rules")
    write(elsewhere, "b.rules")
    (rules / "linked").symlink_to(elsewhere)
    (rules / "again").symlink_to(rules)
    (elsewhere / "up").symlink_to(rules)
    (rules / "c.rules").symlink_to(elsewhere / "b.rules")
    assert names(rules) == ["a.rules", "c.rules", "linked/b.rules"]


def test_one_file(tmp_path: Path) -> None:
    """Any name will do when it is named."""
    write(tmp_path, "a.txt", "b.rules")
    texts, problems = read_rules(tmp_path / "a.txt")
    assert [(text.relative, text.data) for text in texts] == [("a.txt", b"a.txt")]
    assert not problems


def test_what_cannot_be_read_is_told_of(tmp_path: Path) -> None:
    """Each with its reason, and the others are read all the same."""
    write(tmp_path, "a.rules")
    (tmp_path / "b.rules").symlink_to("nowhere")
    (tmp_path / "c.rules").symlink_to("c.rules")
    texts, problems = read_rules(tmp_path)
    assert [text.relative for text in texts] == ["a.rules"]
    assert [(Path(problem.shown).name, problem.reason) for problem in problems] == [
        ("b.rules", "no such file or directory"),
        ("c.rules", "too many levels of symbolic links"),
    ]


def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    """Reading one would wait for ever."""
    write(tmp_path, "a.rules")
    os.mkfifo(tmp_path / "b.rules")
    texts, problems = read_rules(tmp_path)
    assert [text.relative for text in texts] == ["a.rules"]
    assert [problem.reason for problem in problems] == ["not a file"]


def test_a_file_that_goes_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the listing of a folder and the reading of a file: it is told of, and the others are read."""
    write(tmp_path, "a.rules", "b.rules", "c.rules")
    read_file = folders.read_file

    def read_slowly(path: Path, limit: int = -1) -> bytes:
        (tmp_path / "b.rules").unlink(missing_ok=True)
        return read_file(path, limit)

    monkeypatch.setattr(folders, "read_file", read_slowly)
    texts, problems = read_rules(tmp_path)
    assert [text.relative for text in texts] == ["a.rules", "c.rules"]
    assert [(Path(problem.shown).name, problem.reason) for problem in problems] == [
        ("b.rules", "no such file or directory")
    ]
