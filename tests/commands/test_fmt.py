"""`ruleproxy fmt` as users run it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.golden import compare_case, find_cases, run_ruleproxy

UGLY = 'rule "a"   on request then stop end -- last\n'
FORMATTED = 'rule "a" on request then\n  stop\nend  -- last\n'


@pytest.mark.parametrize("case", find_cases(Path(__file__).parent / "fmt"), ids=lambda case: case.name)
def test_what_fmt_prints(case: Path, tmp_path: Path) -> None:
    """The command prints exactly what lies beside it and ends with that exit code."""
    compare_case(case, tmp_path)


def test_a_file_keeps_its_mode_and_its_links(tmp_path: Path) -> None:
    """A file is replaced whole: its mode stays, a link to it stays a link, nothing is left beside it."""
    (tmp_path / "rules").mkdir()
    file, link = tmp_path / "shared.rules", tmp_path / "rules/a.rules"
    file.write_text(UGLY)
    file.chmod(0o640)
    link.symlink_to(file)
    before = file.stat().st_ino
    done = run_ruleproxy(tmp_path, "fmt")
    assert (done.returncode, done.stdout) == (0, "rules/a.rules\n")
    assert link.is_symlink()
    assert file.read_text() == FORMATTED
    assert file.stat().st_mode & 0o777 == 0o640
    assert file.stat().st_ino != before  # another file in its place, not the same one written over
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rules", "shared.rules"]


def test_a_formatted_file_is_not_touched(tmp_path: Path) -> None:
    """Where nothing would change nothing is written: a server that watches sees no edit."""
    file = tmp_path / "a.rules"
    file.write_text(FORMATTED)
    before = file.stat()
    done = run_ruleproxy(tmp_path, "fmt", "a.rules")
    assert (done.returncode, done.stdout) == (0, "")
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_line_ends_and_byte_order_mark(tmp_path: Path) -> None:
    """Line ends become line feeds, and a byte order mark goes."""
    file = tmp_path / "a.rules"
    file.write_bytes(b"\xef\xbb\xbf" + FORMATTED.replace("\n", "\r\n").encode())
    assert run_ruleproxy(tmp_path, "fmt", "--check", "a.rules").returncode == 1
    assert run_ruleproxy(tmp_path, "fmt", "a.rules").returncode == 0
    assert file.read_bytes() == FORMATTED.encode()


def pipe(folder: Path, text: bytes, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "ruleproxy", "fmt", *arguments]
    return subprocess.run(command, cwd=folder, input=text, capture_output=True, timeout=120, check=False)


def test_standard_input(tmp_path: Path) -> None:
    """An editor pipes a file through; of what has mistakes nothing comes out."""
    done = pipe(tmp_path, UGLY.encode(), "-")
    assert (done.returncode, done.stdout, done.stderr) == (0, FORMATTED.encode(), b"")
    broken = pipe(tmp_path, b"rule\n", "-")
    assert (broken.returncode, broken.stdout) == (1, b"")
    assert b"standard input:1:" in broken.stderr
    assert pipe(tmp_path, UGLY.encode(), "-", "--check").returncode == 1
    assert pipe(tmp_path, FORMATTED.encode(), "-", "--check").returncode == 0
    differs = pipe(tmp_path, UGLY.encode(), "-", "--diff")
    assert differs.returncode == 1
    assert b"\n+  stop\n" in differs.stdout


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing keeps root from writing")
def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """A file that cannot be replaced is named, with exit code 2, and stays as it is."""
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "a.rules").write_text(UGLY)
    rules.chmod(0o555)
    done = run_ruleproxy(tmp_path, "fmt")
    rules.chmod(0o755)
    assert done.returncode == 2
    assert done.stderr == "ruleproxy: rules/a.rules: permission denied\n"
    assert (rules / "a.rules").read_text() == UGLY
