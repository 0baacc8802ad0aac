"""The hooks for pre-commit and the action for GitHub run what they say, and fail on what they should."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ruleproxy.resources import CHECKOUT

HOOKS = yaml.safe_load((CHECKOUT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
ACTION = yaml.safe_load((CHECKOUT / "action.yml").read_text(encoding="utf-8"))
RULES = """\
rule "tag" on request
when request.path == "/" then
  rewrite request.headers["x-tag"] = "1"
end

test "tagged"
  given request { method = "GET", path = "/" }
  expect request.headers["x-tag"] == "1"
end
"""
BROKEN = {
    "nothing": (RULES, None),
    "check": (RULES.replace("on request", "on nowhere"), "ruleproxy-check"),
    "fmt": (RULES.replace("  rewrite", "    rewrite"), "ruleproxy-fmt"),
    "test": (RULES.replace('== "1"', '== "2"'), "ruleproxy-test"),
}


def run(folder: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RULEPROXY_", "GIT_"))}
    return subprocess.run(
        command,
        cwd=folder,
        env=kept | {"PATH": path, "PRE_COMMIT_HOME": str(folder / ".cache"), "HOME": str(folder)} | environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A repository whose hooks are ours, with the program of this environment in place of an installed one."""
    hooks = [{**hook, "language": "system"} for hook in HOOKS]
    (tmp_path / ".pre-commit-config.yaml").write_text(yaml.safe_dump({"repos": [{"repo": "local", "hooks": hooks}]}))
    (tmp_path / "rules").mkdir()
    assert run(tmp_path, "git", "init", "-q").returncode == 0
    return tmp_path


@pytest.mark.parametrize("case", BROKEN)
def test_hooks_fail_on_what_they_look_for(case: str, work: Path) -> None:
    """pre-commit runs all three; the one that a mistake is for fails, and none does where there is no mistake."""
    text, failing = BROKEN[case]
    (work / "rules/a.rules").write_text(text)
    assert run(work, "git", "add", "-A").returncode == 0
    done = run(work, sys.executable, "-m", "pre_commit", "run", "--all-files", "--verbose")
    said = done.stdout + done.stderr
    failed = {line.removeprefix("- hook id: ") for line in said.splitlines() if line.startswith("- hook id: ")}
    assert failed == {hook["id"] for hook in HOOKS}, said
    assert (done.returncode == 0) == (failing is None), said
    if failing is not None:
        status = said.partition(f"- hook id: {failing}\n")[0].rstrip().rpartition("\n")[2]
        assert status.endswith("Failed"), said


def run_step(folder: Path, name: str, **inputs: str) -> subprocess.CompletedProcess[str]:
    """A step of the action, its inputs put in as GitHub does."""
    step: dict[str, Any] = next(step for step in ACTION["runs"]["steps"] if step["name"] == name)
    values = {key: str(about.get("default", "")) for key, about in ACTION["inputs"].items()} | inputs
    environment = {}
    for variable, text in step["env"].items():
        key = text.removeprefix("${{ inputs.").removesuffix(" }}")
        environment[variable] = values[key]
    return run(folder, "bash", "-e", "-c", step["run"], **environment)


def test_the_action_checks_and_tests(work: Path) -> None:
    """Its steps pass on good rules, annotate bad ones, and take captures and a bar of coverage."""
    (work / "rules/a.rules").write_text(RULES)
    (work / "my captures").mkdir()
    (work / "my captures/one.json").write_text('{"request": {"method": "GET", "path": "/other"}}')
    assert run_step(work, "check").returncode == 0
    tested = run_step(work, "test", captures="my captures", **{"fail-under": "100"})
    assert (tested.returncode, "1 passed, 0 failed; 1 capture: 0 changed" in tested.stdout) == (0, True), tested.stderr
    (work / "rules/a.rules").write_text(BROKEN["test"][0])
    failed = run_step(work, "test")
    assert failed.returncode == 1
    assert "::error file=rules/a.rules,line=8" in failed.stdout
    (work / "rules/a.rules").write_text(BROKEN["check"][0])
    assert "::error file=rules/a.rules,line=1" in run_step(work, "check").stdout


def test_the_action_installs_its_own_copy_of_the_repository(work: Path) -> None:
    """A name in a package index might be anybody's: only what `package` names is asked for there."""
    step: dict[str, Any] = next(step for step in ACTION["runs"]["steps"] if step["name"] == "install")
    python = work / "bin/python3"
    python.parent.mkdir()
    python.write_text('#!/bin/sh\necho "$@"\n')
    python.chmod(0o700)
    path = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
    for package, installed in ((ACTION["inputs"]["package"]["default"], "/the action"), ("a==1", "a==1")):
        done = run(work, "bash", "-e", "-c", step["run"], PATH=path, PACKAGE=package, GITHUB_ACTION_PATH="/the action")
        assert done.stdout == f"-m pip install --quiet {installed}\n", done.stderr
