"""`ruleproxy test` on what is shipped, and where its outcome depends on more than files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from ruleproxy.resources import packs_folder
from support.golden import run_ruleproxy

PACKS = sorted(file.parent for file in packs_folder().glob("*/pack.toml"))


@pytest.mark.parametrize("pack", PACKS, ids=lambda pack: pack.name)
def test_shipped_packs(pack: Path, tmp_path: Path) -> None:
    """Every pack that is shipped is right, and its own tests pass."""
    shutil.copytree(pack, tmp_path / "pack")
    checked = run_ruleproxy(tmp_path, "check", "pack", "--strict")
    assert checked.returncode == 0, checked.stdout
    tested = run_ruleproxy(tmp_path, "test", "pack")
    assert tested.returncode == 0, tested.stdout
    assert tested.stdout.endswith(" passed, 0 failed\n")


RULES = """\
rule "to it" on request
when request.path == "/v1/messages" then
  rewrite upstream.name = "gateway"
end
"""


def test_captures_go_to_the_declared_upstreams(tmp_path: Path) -> None:
    """The upstreams of a dry run are the ones that are declared, the first for what no rule sends elsewhere."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/a.rules").write_text(RULES)
    (tmp_path / "captures").mkdir()
    for name, path in (("one", "/v1/messages"), ("two", "/v1/other")):
        capture = {"version": 1, "request": {"method": "GET", "path": path, "headers": []}}
        (tmp_path / f"captures/{name}.json").write_text(json.dumps(capture))
    done = run_ruleproxy(tmp_path, "test", "--captures", "captures", "--upstream", "first=https://first.example",
                         "--upstream", "gateway=https://gateway.example:8443/base")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "GET /v1/messages to https://gateway.example:8443" in done.stdout
    assert "~ path  /v1/messages -> /base/v1/messages" in done.stdout
    assert "GET /v1/other to https://first.example" in done.stdout
    assert "goes out as it came" in done.stdout
    assert done.stdout.endswith("2 captures: 1 changed\n")


def test_no_captures(tmp_path: Path) -> None:
    """A folder without captures is an empty selection."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "captures").mkdir()
    done = run_ruleproxy(tmp_path, "test", "--captures", "captures")
    assert done.returncode == 1
    assert "no capture in captures" in done.stderr


def test_unknown_option(tmp_path: Path) -> None:
    """An option that there is none of is usage."""
    assert run_ruleproxy(tmp_path, "test", "--unknown").returncode == 2


def test_broken_rules(tmp_path: Path) -> None:
    """Rules with errors are not tested: the errors are shown."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/a.rules").write_text('rule "a" on nowhere then\nend\n')
    done = run_ruleproxy(tmp_path, "test")
    assert done.returncode == 1
    assert "error[RP201]" in done.stdout
    assert "nothing was tested: 1 error in the rules" in done.stderr
