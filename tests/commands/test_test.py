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

TEST = """\

test "goes there"
  given upstream { name = "gateway", url = "https://gateway.example" }
  given request { method = "GET", path = "/v1/messages" }
  expect upstream.url == "https://gateway.example/v1/messages"
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


def test_no_captures_beside_tests(tmp_path: Path) -> None:
    """Tests that pass do not hide that the captures are missing; a text that selects tests alone is no mistake."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/a.rules").write_text(RULES + TEST)
    (tmp_path / "captures").mkdir()
    done = run_ruleproxy(tmp_path, "test", "--captures", "captures")
    assert (done.returncode, done.stderr) == (1, "ruleproxy: --captures: there is no capture\n")
    (tmp_path / "captures/one.json").write_text('{"request": {"method": "GET", "path": "/"}}')
    assert run_ruleproxy(tmp_path, "test", "--captures", "captures", "-k", "goes there").returncode == 0


def test_outcomes_that_lost_their_captures(tmp_path: Path) -> None:
    """An accepted outcome of a capture that was renamed fails the run by name, and the new name is counted; of the
    members of a broken archive nothing is said to be lost.
    """
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/a.rules").write_text(RULES)
    captures = tmp_path / "captures"
    captures.mkdir()
    line = '{"request": {"method": "GET", "path": "/v1/messages"}}\n'
    for name, text in (("one.json", line), ("two.json", line), ("all.jsonl", 2 * line)):
        (captures / name).write_text(text)
    options = ("test", "--captures", "captures", "--upstream", "gateway=https://gateway.example")
    assert run_ruleproxy(tmp_path, *options, "--accept").returncode == 0
    assert run_ruleproxy(tmp_path, *options).stdout.endswith("\n4 captures: 0 changed\n")
    (captures / "one.json").rename(captures / "renamed.json")
    (captures / "all.jsonl").write_text(line)
    done = run_ruleproxy(tmp_path, *options)
    assert done.returncode == 1
    assert done.stdout.endswith("\n3 captures: 0 changed, 1 without an accepted outcome, 2 lost\n")
    assert [text.partition(": its capture is not there")[0] for text in done.stderr.splitlines()] == [
        "ruleproxy: captures/all.jsonl.accepted/line-2.accepted.json",
        "ruleproxy: captures/one.accepted.json",
    ]
    assert '<failure message="its capture' in run_ruleproxy(tmp_path, *options, "--format", "junit").stdout
    (captures / "old.tar").write_bytes(b"no tar")
    (captures / "old.tar.accepted").mkdir()
    (captures / "old.tar.accepted/member.accepted.json").write_text("{}")
    done = run_ruleproxy(tmp_path, *options)
    assert done.returncode == 2
    assert "old.tar.accepted" not in done.stderr


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
