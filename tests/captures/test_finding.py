"""Captures found in folders and in files of lines; what cannot be one is named where it stands."""

from __future__ import annotations

import gzip
import os
import re
from pathlib import Path

import pytest

from ruleproxy.captures.capture import Capture, CapturedRequest
from ruleproxy.captures.finding import find_captures, read_lines
from ruleproxy.captures.reading import BadCapture
from ruleproxy.captures.writing import render_capture, write_whole

LINE = b'{"request": {"method": "GET", "path": "/%d"}}'


def name_problems(path: Path) -> list[str]:
    problems = []
    for source in find_captures(path):
        try:
            source.read()
        except BadCapture as bad:
            problems.append(str(bad).removeprefix(f"{path}/"))
    return problems


def test_a_folder_is_found_in_order_and_goes_on_past_bad_files(tmp_path: Path) -> None:
    """By name; hidden files, other files, snapshots and accepted outcomes are no captures; what cannot be is named."""
    (tmp_path / "more").mkdir()
    (tmp_path / "all.jsonl.accepted").mkdir()
    names = ("b.json", "a.json", "more/c.json", ".hidden.json", "a.expected.json", "a.accepted.json", "notes.txt",
             "all.jsonl.accepted/x.json")  # fmt: skip
    for name in names:
        write_whole(tmp_path / name, render_capture(Capture(CapturedRequest("GET", b"/" + name.encode(), []))))
    (tmp_path / "ab.json").write_bytes(b"\0\1\2")
    (tmp_path / "all.jsonl").write_bytes(LINE % 1 + b"\n")
    (tmp_path / "link.json").symlink_to("a.json")
    (tmp_path / "gone.json").symlink_to("nowhere.json")
    (tmp_path / "loop").symlink_to(".")
    os.mkfifo(tmp_path / "pipe.json")
    keys = ["a.json", "ab.json", "all.jsonl:1", "b.json", "gone.json", "link.json", "more/c.json", "pipe.json"]
    assert [source.key for source in find_captures(tmp_path)] == keys
    bad, *others = name_problems(tmp_path)
    assert bad.startswith("ab.json: not JSON: ")
    assert others == [
        "gone.json: cannot be read: no such file or directory",
        "pipe.json: not a file",
    ]


def test_a_file_is_itself(tmp_path: Path) -> None:
    """One file, whatever its name, is one capture; one that is missing is named when it is read."""
    write_whole(tmp_path / "odd.name", render_capture(Capture(CapturedRequest("GET", b"/", []))))
    (source,) = find_captures(tmp_path / "odd.name")
    assert source.read().request.path == b"/"
    assert name_problems(tmp_path / "none.json") == [
        f"{tmp_path}/none.json: cannot be read: no such file or directory"
    ]  # fmt: skip


def test_outcomes_that_a_pattern_names_are_no_captures(tmp_path: Path) -> None:
    """`captures/*.json` also names what lies beside them: it is passed over, as it is in a folder."""
    write_whole(tmp_path / "a.json", render_capture(Capture(CapturedRequest("GET", b"/", []))))
    for name in ("a.accepted.json", "a.expected.json"):
        (tmp_path / name).write_bytes(b"{}")
    assert [source.key for file in sorted(tmp_path.glob("*.json")) for source in find_captures(file)] == ["a.json"]


@pytest.mark.skipif(os.geteuid() == 0, reason="every folder can be read")
def test_a_folder_that_is_closed_is_named(tmp_path: Path) -> None:
    """What lies beside a folder that cannot be read is found."""
    (tmp_path / "closed").mkdir(mode=0)
    write_whole(tmp_path / "open.json", render_capture(Capture(CapturedRequest("GET", b"/", []))))
    assert name_problems(tmp_path) == ["closed: cannot be read: permission denied"]


def test_lines(tmp_path: Path) -> None:
    """Each line is a capture, named by its number; a broken one is named, an empty one is none."""
    file = tmp_path / "all.jsonl"
    file.write_bytes(b"\n".join([LINE % 1, b"", b"{broken", b'{"version": 9}', LINE % 5]))
    sources = list(find_captures(file))
    assert [(source.name, source.line) for source in sources] == [(f"{file}:{n}", n) for n in (1, 3, 4, 5)]
    assert sources[-1].read().request.path == b"/5"
    broken, newer = (text.removeprefix(str(file)) for text in name_problems(file))
    assert broken.startswith(":3: not JSON: ")
    assert newer == ":4 at /version: version 9 is newer than what is read here (1)"


def test_compressed_lines(tmp_path: Path) -> None:
    """They are read like others, as far as they can be; one capture by itself is not, and says what is."""
    text = b"".join(LINE % number + b"\n" for number in range(2000))
    packed = gzip.compress(text)
    (tmp_path / "all.jsonl.gz").write_bytes(packed)
    assert [source.read().request.path for source in find_captures(tmp_path)] == [b"/%d" % n for n in range(2000)]
    for broken, problem in (
        (packed[: len(packed) // 2], r"not gzip, or broken behind line \d+: compressed file ended before .*"),
        (text, "not gzip, or broken: not a gzipped file .*"),
    ):
        (tmp_path / "all.jsonl.gz").write_bytes(broken)
        *_, last = name_problems(tmp_path)
        assert re.fullmatch(f"all.jsonl.gz: {problem}", last)
    (tmp_path / "all.jsonl.gz").unlink()
    (tmp_path / "one.json").write_bytes(packed)
    assert name_problems(tmp_path) == [
        "one.json: not JSON, but gzip: only .jsonl.gz, .tar.gz and .tgz are read compressed"
    ]


def test_names_that_would_break_a_line(tmp_path: Path) -> None:
    """Are shown in one line, whatever they hold."""
    write_whole(tmp_path / "a\n\x1b[31m\u2028b.json", render_capture(Capture(CapturedRequest("GET", b"/", []))))
    [source] = find_captures(tmp_path)
    assert source.name == f"{tmp_path}/a\\n\\x1b[31m\\u2028b.json"
    assert source.read().request.path == b"/"


def test_a_huge_line_is_passed_over_without_being_held(tmp_path: Path) -> None:
    """A line past the limit is named, and the next ones are read."""
    file = tmp_path / "all.jsonl"
    file.write_bytes(LINE % 1 + b"\n" + b"x" * 5_000 + b"\n" + LINE % 3)
    problems = {source.line: source.problem for source in read_lines(file, "all.jsonl", 100)}
    assert problems == {1: "", 2: "larger than 100 bytes", 3: ""}


def test_where_outcomes_are_kept(tmp_path: Path) -> None:
    """Beside a capture that is a file, in a folder beside a file that holds several."""
    write_whole(tmp_path / "a.json", render_capture(Capture(CapturedRequest("GET", b"/", []))))
    (tmp_path / "b.jsonl").write_bytes(LINE % 1)
    found = [source.accepted.relative_to(tmp_path).as_posix() for source in find_captures(tmp_path)]
    assert found == ["a.accepted.json", "b.jsonl.accepted/line-1.accepted.json"]


def test_names_that_are_no_text(tmp_path: Path) -> None:
    """They are read, and shown with their bytes written out."""
    write_whole(tmp_path / os.fsdecode(b"a\xff.json"), render_capture(Capture(CapturedRequest("GET", b"/a", []))))
    (source,) = find_captures(tmp_path)
    assert (source.key, source.name) == ("a\\xff.json", f"{tmp_path}/a\\xff.json")
    assert source.read().request.path == b"/a"
