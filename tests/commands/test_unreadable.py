"""Folders of rules with things in them that cannot be read: the place is named, and nothing hangs or falls over."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from support.golden import run_ruleproxy

RULE = 'edition 1\n\nrule "a" on request then\n  strip request.body.a\nend\n'
NOBODY = 65534


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "a.rules").write_text(RULE)
    return tmp_path


def pipe_for_a_file(rules: Path) -> None:
    os.mkfifo(rules / "b.rules")


def pipe_for_a_table(rules: Path) -> None:
    os.mkfifo(rules / "names.json")
    (rules / "b.rules").write_text('edition 1\n\nlocal names = table("names.json")\n')


def pipe_for_a_manifest(rules: Path) -> None:
    (rules / "pack").mkdir()
    os.mkfifo(rules / "pack" / "pack.toml")
    (rules / "b.rules").write_text('edition 1\n\nuse "acme/pack"\n')


def loop_of_links(rules: Path) -> None:
    (rules / "b.rules").symlink_to("c.rules")
    (rules / "c.rules").symlink_to("b.rules")


def link_to_nowhere(rules: Path) -> None:
    (rules / "b.rules").symlink_to("gone.rules")


def folder_that_is_a_file(rules: Path) -> None:
    (rules / "b.rules").mkdir()
    (rules / "b.rules" / "c.rules").symlink_to(rules / "a.rules" / "d.rules")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (pipe_for_a_file, "rules/b.rules: not a file"),
        (pipe_for_a_table, 'table("names.json") cannot be read: not a file'),
        (pipe_for_a_manifest, 'no pack "acme/pack" is here'),
        (loop_of_links, "rules/b.rules: too many levels of symbolic links"),
        (link_to_nowhere, "rules/b.rules: no such file or directory"),
        (folder_that_is_a_file, "rules/b.rules/c.rules: not a directory"),
    ],
)
@pytest.mark.parametrize("arguments", [("check",), ("test",), ("list",), ("fmt", "--check")])
def test_what_is_said(work: Path, spoil: Callable[[Path], None], said: str, arguments: tuple[str, ...]) -> None:
    """Of each of them by each command that reads rules; those that parse alone say nothing of tables and packs."""
    spoil(work / "rules")
    done = run_ruleproxy(work, *arguments)
    assert "Traceback" not in done.stderr
    if arguments[0] == "fmt" and "rules/" not in said:
        assert done.returncode == 0
    else:
        assert said in done.stdout + done.stderr
        assert done.returncode in (1, 2)


def test_folders_that_lead_to_each_other(work: Path) -> None:
    """Each is entered once: the rules are there once."""
    (work / "rules" / "again").symlink_to(work / "rules")
    (work / "rules" / "up").symlink_to(work)
    done = run_ruleproxy(work, "check")
    assert (done.returncode, done.stdout) == (0, "1 file, 1 rule: nothing found\n")


def test_a_rules_folder_that_is_a_file(work: Path) -> None:
    """It is read as what it is, whatever its name; below a file there is nothing."""
    (work / "flat").write_text(RULE)
    assert run_ruleproxy(work, "check", "flat").stdout == "1 file, 1 rule: nothing found\n"
    done = run_ruleproxy(work, "check", "flat/rules")
    assert done.returncode == 2
    assert done.stderr == "ruleproxy: flat/rules: not a directory\n"


def test_a_pipe_that_is_named(work: Path) -> None:
    """Its writer might never come."""
    os.mkfifo(work / "pipe")
    done = run_ruleproxy(work, "check", "pipe")
    assert (done.returncode, done.stderr) == (2, "ruleproxy: pipe: not a file\n")


def run_as_nobody(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command as a user who owns nothing here; as this one where this one is no superuser."""
    become = NOBODY if os.geteuid() == 0 else None
    code = (
        "import os, runpy, sys\n"
        "import ruleproxy.commands.check, ruleproxy.engine.loading, ruleproxy.proxy.settings\n"
        "import ruleproxy.language.parsing, ruleproxy.language.reporting, ruleproxy.engine.vocabulary\n"
        "ruleproxy.engine.vocabulary.load_vocabulary(), ruleproxy.language.parsing.load_parser()\n"
        "ruleproxy.engine.loading.packs_folder = lambda: __import__('pathlib').Path('rules')\n"
        f"become = {become}\n"
        "if become is not None:\n    os.setgroups([]); os.setgid(become); os.setuid(become)\n"
        "from ruleproxy.commands import main\n"
        "main(sys.argv[1:])\n"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        env={**os.environ, "HOME": "/nowhere", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def shared(work: Path) -> Path:
    """The folder with its parents open to everybody: pytest makes them for one user."""
    for folder in (work, *work.parents):
        if folder.stat().st_uid == os.geteuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o055)
    return work


def test_a_file_that_may_not_be_read(shared: Path) -> None:
    """Without the right to read it, a file, a folder, a manifest or a table is named with that reason."""
    rules = shared / "rules"
    (rules / "b.rules").write_text(RULE.replace('"a"', '"b"'))
    (rules / "b.rules").chmod(0)
    done = run_as_nobody(shared, "check")
    assert (done.returncode, done.stderr) == (2, "ruleproxy: rules/b.rules: permission denied\n")
    assert "not all could be read" in done.stdout
    (rules / "b.rules").unlink()
    (rules / "closed").mkdir(mode=0)
    done = run_as_nobody(shared, "check")
    assert (done.returncode, done.stderr) == (2, "ruleproxy: rules/closed: permission denied\n")


def test_a_manifest_and_a_table_that_may_not_be_read(shared: Path) -> None:
    """They are named as well, where they are used, or as the place itself."""
    rules = shared / "rules"
    (rules / "pack").mkdir()
    (rules / "pack" / "pack.toml").write_text("")
    (rules / "pack" / "pack.toml").chmod(0)
    (rules / "names.json").write_text("{}")
    (rules / "names.json").chmod(0)
    (rules / "b.rules").write_text('edition 1\n\nlocal _names = table("names.json")\n')
    done = run_as_nobody(shared, "check")
    assert 'table("names.json") cannot be read: permission denied' in done.stdout
    assert "Traceback" not in done.stderr
    done = run_as_nobody(shared, "check", "rules/pack")
    assert done.returncode == 1
    assert "pack/pack.toml: permission denied" in done.stdout
    assert "Traceback" not in done.stderr
