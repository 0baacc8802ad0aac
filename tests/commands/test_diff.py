"""`ruleproxy diff` beyond whole outputs (tests/exchanges/diff): revisions of git, many captures."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from support.golden import run_ruleproxy

OLD = 'rule "a" on request then\n  rewrite request.headers["x-a"] = "1"\nend\n'
NEW = OLD.replace('"1"', '"2"')
PACK = 'name = "acme/own"\nversion = "1.0.0"\ndescription = "an example"\nedition = 1\n'


def git(folder: Path, *arguments: str) -> None:
    settings = ["-c", "user.name=example", "-c", "user.email=someone@corp.example", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *settings, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Rules whose committed form says 1 and whose form in the working folder says 2, and a capture."""
    (tmp_path / "rules/sub").mkdir(parents=True)
    (tmp_path / "captures").mkdir()
    (tmp_path / "captures/one.json").write_text('{"request": {"method": "GET", "path": "/"}}')
    (tmp_path / "rules/sub/10-a.rules").write_text(OLD)
    (tmp_path / "rules/table.json").write_text('{"a": "b"}')
    (tmp_path / ".gitattributes").write_text("*.rules export-ignore\n")
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-q", "-m", "first")
    (tmp_path / "rules/sub/10-a.rules").write_text(NEW)
    return tmp_path


@pytest.mark.parametrize("old", ["git:HEAD", "git:main:rules", "git:HEAD:rules/sub/10-a.rules", "git:HEAD:./rules/"])
def test_a_revision_beside_the_working_folder(old: str, repository: Path) -> None:
    """A folder or a file of a revision is read as it was committed, whatever archives leave out."""
    done = run_ruleproxy(repository, "diff", old, "rules", "--captures", "captures", "--format", "json")
    assert done.returncode == 1, done.stderr
    said = json.loads(done.stdout)
    assert said["old"]["name"] == old
    assert [(found["where"], found["before"], found["after"], found["rules"]) for found in said["differences"]] == [
        ("header x-a", "1", "2", ["a"])
    ]
    assert run_ruleproxy(repository, "diff", old, "git:HEAD", "--captures", "captures").returncode == 0


def test_a_revision_from_within_the_repository(repository: Path) -> None:
    """A path is relative to the working folder, also above it."""
    for old in ("git:HEAD:sub", "git:HEAD:../rules"):
        done = run_ruleproxy(repository / "rules", "diff", old, "sub", "--captures", "../captures")
        assert (done.returncode, done.stdout.count("1 -> 2")) == (1, 1), done.stderr


def test_a_pack_of_a_revision(repository: Path) -> None:
    """A folder with a manifest is a pack at a revision, too."""
    (repository / "pack").mkdir()
    (repository / "pack/pack.toml").write_text(PACK)
    (repository / "pack/a.rules").write_text(OLD)
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "-m", "pack")
    done = run_ruleproxy(repository, "diff", "git:HEAD:pack", "pack", "--captures", "captures")
    assert (done.returncode, done.stdout) == (0, "1 capture: no difference\n"), done.stderr


@pytest.mark.parametrize(
    ("old", "reason"),
    [
        ("git:", "git:REV[:PATH] names a revision"),
        ("git:--output=x", "git:REV[:PATH] names a revision"),
        ("git:nope", "git:nope: no such revision"),
        ("git:HEAD:nope", "git:HEAD:nope: there is no nope in this revision"),
        ("git:HEAD:../x", "git:HEAD:../x: ../x lies outside of the repository"),
        ("git:HEAD:/etc", "git:HEAD:/etc: a path in a repository is relative"),
        ("git:HEAD:captures", "git:HEAD:captures"),
    ],
)
def test_what_no_revision_has(old: str, reason: str, repository: Path) -> None:
    """Each is named, and nothing is compared."""
    done = run_ruleproxy(repository, "diff", old, "rules", "--captures", "captures")
    if old == "git:HEAD:captures":  # a folder without rules is a set of none
        assert done.returncode == 1
        return
    assert (done.returncode, done.stdout) == (2, "")
    assert reason in done.stderr


def test_outside_of_a_repository(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """That there is no repository is what is said."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    done = run_ruleproxy(
        elsewhere, "diff", "git:HEAD", str(repository / "rules"), "--captures", str(repository / "captures")
    )
    assert done.returncode == 2
    assert "git:HEAD: git: not a git repository" in done.stderr


def test_links_in_a_revision_are_not_followed(repository: Path) -> None:
    """A link could lead anywhere on this machine."""
    (repository / "rules/link.rules").symlink_to("/etc/hostname")
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "-m", "link")
    done = run_ruleproxy(repository, "diff", "git:HEAD", "rules", "--captures", "captures")
    assert done.returncode == 2
    assert "rules/link.rules is a link, which is not followed" in done.stderr


def test_broken_rules_of_a_revision_are_shown_where_they_stand(repository: Path) -> None:
    """By revision and path, not by where they were put to be read."""
    (repository / "rules/sub/10-a.rules").write_text('rule "a" on nowhere then\nend\n')
    git(repository, "commit", "-q", "-a", "-m", "broken")
    for revision, file in (("git:HEAD", "git:HEAD:rules/sub/"), ("git:HEAD:rules/sub/10-a.rules",) * 2):
        done = run_ruleproxy(repository, "diff", revision, "rules", "--captures", "captures")
        assert (done.returncode, done.stdout) == (2, "")
        assert f"--> {file.removesuffix('10-a.rules')}10-a.rules:1:13" in done.stderr
        assert f"nothing was compared: 1 error in {revision}" in done.stderr


def test_many_captures_in_several_processes(repository: Path) -> None:
    """The same counts and examples as in one process; what cannot be read is named, and the rest is compared."""
    lines = [json.dumps({"request": {"method": "GET", "path": f"/{number}"}}) for number in range(300)]
    lines[17] = "{"
    (repository / "captures/many.jsonl").write_text("\n".join(lines))
    arguments = ("diff", "git:HEAD", "rules", "--captures", "captures", "--format", "json")
    alone = run_ruleproxy(repository, *arguments, "--jobs", "1")
    several = run_ruleproxy(repository, *arguments, "--jobs", "3")
    assert several.stdout == alone.stdout
    assert several.returncode == 2
    assert "captures/many.jsonl:18: not JSON" in several.stderr
    said = json.loads(several.stdout)
    assert (said["captures"], said["differing"], said["unreadable"]) == (300, 300, 1)
    assert [(found["captures"], found["example"]) for found in said["differences"]] == [(300, "captures/many.jsonl:1")]
