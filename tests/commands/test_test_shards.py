"""`ruleproxy test --shard` and `--merge`: parts of a run on several machines, joined to the report of the whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ruleproxy.rehearsal.shards import Shard
from support.golden import run_ruleproxy

RULES = """\
rule "tag" on request
when request.path == "/tagged" then
  rewrite request.headers["x-tag"] = "1"
end
""" + "".join(
    f"""
test "number {number}"
  given request {{ method = "GET", path = "/tagged" }}
  expect request.headers["x-tag"] == "{1 if number else 2}"
end
"""
    for number in range(8)
)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/a.rules").write_text(RULES)
    (tmp_path / "captures").mkdir()
    for number in range(12):
        path = "/tagged" if number % 2 else "/other"
        (tmp_path / f"captures/{number:02}.json").write_text(json.dumps({"request": {"method": "GET", "path": path}}))
    return tmp_path


def run_shard(folder: Path, shard: str, *options: str) -> int:
    name = shard.replace("/", "-")
    done = run_ruleproxy(
        folder, "test", "--captures", "captures", "--shard", shard, "--report", f"{name}.json", *options
    )
    return done.returncode


def read(file: Path) -> Any:
    return json.loads(file.read_text())


def test_shards_joined_are_the_whole(work: Path) -> None:
    """The joined report is that of one run of everything, to the byte, in every format and with the same exit code."""
    codes = [run_shard(work, f"{number}/3", "--coverage") for number in (1, 2, 3)]
    assert sorted(codes) == [0, 0, 1]
    files = ("3-3.json", "1-3.json", "2-3.json")
    for shape in ("text", "json", "junit", "github"):
        whole = run_ruleproxy(work, "test", "--captures", "captures", "--coverage", "--format", shape)
        joined = run_ruleproxy(work, "test", "--merge", *files, "--format", shape)
        assert joined.stdout == whole.stdout
        assert joined.returncode == whole.returncode == 1
    parts = [read(work / file) for file in files]
    assert sum(len(part["captures"]) for part in parts) == 12
    assert all(part["tests"] or part["captures"] for part in parts)
    under = run_ruleproxy(work, "test", "--merge", *files, "--fail-under", "100")
    assert (under.returncode, under.stderr) == (1, "")


def test_a_name_that_is_added_moves_no_other(work: Path) -> None:
    """The shard of a name is its own affair."""
    before = {name: Shard(1, 3).holds(name) for name in map(str, range(200))}
    assert 40 < sum(before.values()) < 95
    assert [sum(Shard(number, 3).holds(name) for number in (1, 2, 3)) for name in before] == [1] * 200
    run_shard(work, "1/2")
    first = [entry["key"] for entry in read(work / "1-2.json")["captures"]]
    (work / "captures/00-a.json").write_text('{"request": {"method": "GET", "path": "/"}}')
    run_shard(work, "1/2")
    again = [entry["key"] for entry in read(work / "1-2.json")["captures"]]
    assert [key for key in again if key != "00-a.json"] == first


def test_shards_that_do_not_belong_together(work: Path) -> None:
    """Missing ones, the same twice, those of other rules, selections or numbers, and no reports: each is named."""
    run_shard(work, "1/2")
    run_shard(work, "2/2")
    run_shard(work, "2/3")
    (work / "whole.json").write_text(run_ruleproxy(work, "test", "--captures", "captures", "--format", "json").stdout)
    (work / "no.json").write_text("[]")
    run_ruleproxy(work, "test", "--captures", "captures", "-k", "1", "--shard", "2/2", "--report", "chosen.json")
    run_ruleproxy(work, "test", "--shard", "2/2", "--report", "tests.json")
    other = read(work / "2-2.json")
    other["captures"].append(read(work / "1-2.json")["captures"][0])
    (work / "overlapping.json").write_text(json.dumps(other))
    with (work / "rules/a.rules").open("a") as rules:
        rules.write("-- changed\n")
    run_ruleproxy(work, "test", "--captures", "captures", "--shard", "2/2", "--report", "rules.json")
    cases = {
        ("1-2.json",): "missing: shard 2 of 2",
        ("1-2.json", "1-2.json"): "1-2.json and 1-2.json are both shard 1 of 2",
        ("1-2.json", "2-3.json"): "shards of different runs: 1-2.json is shard 1 of 2, 2-3.json is shard 2 of 3",
        ("1-2.json", "whole.json"): "whole.json is shard 1 of 1",
        ("1-2.json", "rules.json"): "rules.json: a run of the rules",
        ("1-2.json", "chosen.json"): 'chosen.json: a run with -k "1", and 1-2.json one with -k ""',
        ("1-2.json", "tests.json"): "tests.json: a run with captures false, and 1-2.json one with captures true",
        ("1-2.json", "no.json"): "no.json: not a report of ruleproxy test",
        ("1-2.json", "none.json"): "none.json: cannot be read: no such file or directory",
        ("1-2.json", "overlapping.json"): "is in 1-2.json too",
    }
    for files, reason in cases.items():
        done = run_ruleproxy(work, "test", "--merge", *files)
        assert (done.returncode, done.stdout) == (2, ""), files
        assert reason in done.stderr, files


def test_an_empty_shard_is_no_failure_but_an_empty_selection_is(work: Path) -> None:
    """A part may get nothing; where no part gets anything, nothing was tested."""
    codes = {run_shard(work, f"{number}/2", "-k", "number 3") for number in (1, 2)}
    assert codes == {0}
    assert run_ruleproxy(work, "test", "--merge", "1-2.json", "2-2.json").stdout.endswith("1 passed, 0 failed\n")
    assert {run_shard(work, f"{number}/2", "-k", "nowhere") for number in (1, 2)} == {1}
    joined = run_ruleproxy(work, "test", "--merge", "1-2.json", "2-2.json")
    assert (joined.returncode, joined.stderr) == (1, "ruleproxy: nothing was tested in any shard\n")


@pytest.mark.parametrize("shard", ["0/2", "3/2", "1", "a/b", "1/0", "-1/2", "1/2/3", ""])
def test_no_shard(shard: str, work: Path) -> None:
    """What is no K/N is usage."""
    done = run_ruleproxy(work, "test", "--shard", shard)
    assert done.returncode == 2
    assert "is not K/N with K from 1 to N" in done.stderr
