"""The parser's tables between processes: kept where they can be, and never in the way."""

from pathlib import Path

import pytest

from ruleproxy.language.building import Builder
from ruleproxy.language.parser_cache import find_kept, make_parser
from ruleproxy.resources import grammar_text

TEXT = 'rule "a" on request then\n  strip request.body.model\nend\n'


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def parse_once() -> str:
    builder = Builder()
    builder.begin(TEXT, 0)
    return repr(make_parser(grammar_text(), builder).parse(TEXT, start="file"))


def test_tables_are_kept_and_read(home: Path) -> None:
    """The first parser leaves one file behind, the second reads it and means the same by a text."""
    first = parse_once()
    (kept,) = (home / "ruleproxy").iterdir()
    assert kept == find_kept(grammar_text())
    written = kept.stat().st_mtime_ns
    assert parse_once() == first
    assert kept.stat().st_mtime_ns == written


@pytest.mark.parametrize("content", [b"", b"not what is looked for", b"\x80\x04garbage\n\x00"])
def test_a_broken_file_is_made_anew(home: Path, content: bytes) -> None:
    """What cannot be read as tables is written again."""
    kept = find_kept(grammar_text())
    assert kept is not None
    kept.write_bytes(content)
    kept.chmod(0o600)
    first = parse_once()
    assert kept.stat().st_size > 10_000
    assert parse_once() == first


def test_what_others_can_write_is_not_read(home: Path) -> None:
    """A folder that others may write holds no tables of ours: they could run code."""
    folder = home / "ruleproxy"
    folder.mkdir()
    folder.chmod(0o777)
    assert find_kept(grammar_text()) is None
    assert "Rule(" in parse_once()
    assert not list(folder.iterdir())


def test_a_file_that_others_can_write_is_replaced(home: Path) -> None:
    """Tables that somebody could have changed are not read but made anew."""
    parse_once()
    kept = find_kept(grammar_text())
    assert kept is not None
    kept.write_bytes(b"changed")
    kept.chmod(0o666)
    parse_once()
    assert kept.stat().st_size > 10_000
    assert not kept.stat().st_mode & 0o022


def test_without_a_place_to_keep_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no folder can be made, the parser is there all the same."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert find_kept(grammar_text()) is None
    assert "Rule(" in parse_once()


def test_another_grammar_is_another_file(home: Path) -> None:
    """Tables are never read for a grammar that they were not made of."""
    assert find_kept(grammar_text()) != find_kept(grammar_text() + "\n")
    assert list((home / "ruleproxy").iterdir()) == []
