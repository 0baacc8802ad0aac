"""`ruleproxy pack`, as a command."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.golden import run_ruleproxy


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """Rules that use a pack with a table."""
    pack = tmp_path / "rules" / "mark"
    pack.mkdir(parents=True)
    (tmp_path / "rules" / "a.rules").write_text('edition 1\n\nuse "acme/mark"\n')
    (pack / "pack.toml").write_text('name = "acme/mark"\nversion = "2"\nedition = 1\ndescription = "marks"\n')
    (pack / "1.rules").write_text(
        'edition 1\n\nlocal names = table("names.json")\n\n'
        'rule "mark" on request then\n  rewrite request.headers["x-mark"] = names["a"] ?? ""\nend\n'
    )
    (pack / "names.json").write_text('{"a": "b"}')
    return tmp_path


def test_a_locked_pack(work: Path) -> None:
    """It is used as it was locked, and no more when a byte of it is another, until it is locked again."""
    locked = run_ruleproxy(work, "pack", "lock", "rules/mark")
    assert (locked.returncode, locked.stdout) == (0, "rules/mark/pack.lock: acme/mark 2, 3 files\n")
    assert run_ruleproxy(work, "check").returncode == 0
    (work / "rules" / "mark" / "names.json").write_text('{"a": "c"}')
    refused = run_ruleproxy(work, "check")
    assert refused.returncode == 1
    assert "error[RP901]: " in refused.stdout
    assert "mark/names.json: the checksum is not the one in pack.lock" in refused.stdout
    assert "--> rules/a.rules:3:5" in refused.stdout
    assert "help: ruleproxy pack lock rules/mark, if the change is meant\n" in refused.stdout
    assert "RP901" in run_ruleproxy(work, "check", "rules/mark").stdout
    assert run_ruleproxy(work, "pack", "lock", "rules/mark").returncode == 0
    assert run_ruleproxy(work, "check").returncode == 0


def test_what_is_no_pack(work: Path) -> None:
    """Nothing is written where there is no manifest, or a wrong one."""
    done = run_ruleproxy(work, "pack", "lock", "rules")
    assert done.returncode == 2
    assert done.stderr == "ruleproxy: rules/pack.toml: no such file or directory\n"
    (work / "rules" / "mark" / "pack.toml").write_text("name = 1\n")
    done = run_ruleproxy(work, "pack", "lock", "rules/mark")
    assert done.returncode == 2
    assert "rules/mark/pack.toml: `name` has to be a string" in done.stderr
    assert not (work / "rules" / "mark" / "pack.lock").exists()
