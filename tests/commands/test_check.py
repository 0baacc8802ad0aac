"""`ruleproxy check` as users run it."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from support.golden import compare_case, find_cases, run_ruleproxy

HEAVY = ("quart", "hypercorn", "httpx", "aiohttp")


@pytest.mark.parametrize("case", find_cases(Path(__file__).parent / "check"), ids=lambda case: case.name)
def test_what_check_prints(case: Path, tmp_path: Path) -> None:
    """The command prints exactly what lies beside it and ends with that exit code."""
    compare_case(case, tmp_path)


def write_rules(folder: Path, text: str) -> None:
    (folder / "rules").mkdir()
    (folder / "rules/a.rules").write_text(text, encoding="utf-8")


RULE = 'rule "a" on request then\n  rewrite upstream.url = "https://one.example/a"\nend\n'


def test_upstreams_from_every_source(tmp_path: Path) -> None:
    """An undeclared origin is found where upstreams are declared, by a flag, a variable or a file; else not."""
    write_rules(tmp_path, RULE)
    assert run_ruleproxy(tmp_path, "check").returncode == 0
    flagged = run_ruleproxy(tmp_path, "check", "--upstream", "https://two.example")
    assert flagged.returncode == 1
    assert "error[RP340]" in flagged.stdout
    assert run_ruleproxy(tmp_path, "check", RULEPROXY_UPSTREAMS="https://two.example").returncode == 1
    assert run_ruleproxy(tmp_path, "check", RULEPROXY_UPSTREAMS="a=https://one.example").returncode == 0
    (tmp_path / "ruleproxy.toml").write_text('[upstreams]\ndefault = "https://two.example"\n')
    assert run_ruleproxy(tmp_path, "check").returncode == 1
    assert run_ruleproxy(tmp_path, "check", "--upstream", "one=https://one.example").returncode == 0


def test_a_bad_setting_is_usage(tmp_path: Path) -> None:
    """A setting that cannot be used is named, with exit code 2."""
    write_rules(tmp_path, RULE)
    done = run_ruleproxy(tmp_path, "check", "--upstream", "ftp://one.example")
    assert done.returncode == 2
    assert "default (--upstream)" in done.stderr
    assert run_ruleproxy(tmp_path, "check", "--format", "yaml").returncode == 2


def test_json_is_whole(tmp_path: Path) -> None:
    """JSON has every finding with its place, and the counts, whatever the exit code."""
    write_rules(tmp_path, 'rule "a" on request then\n  rewrite request.body.a = nosuch\nend\n')
    done = run_ruleproxy(tmp_path, "check", "--format", "json")
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert found["files"] == 1
    assert found["errors"] == len(found["diagnostics"]) == 1
    assert found["diagnostics"][0]["primary"]["line"] == 2
    assert found["rules"] is None


def test_no_colour_without_a_terminal(tmp_path: Path) -> None:
    """Output that is not a terminal's has no escape sequences."""
    write_rules(tmp_path, "rule\n")
    assert "\x1b" not in run_ruleproxy(tmp_path, "check", NO_COLOR="").stdout


def test_colour_on_a_terminal(tmp_path: Path) -> None:
    """On a terminal findings are coloured, unless NO_COLOR asks for none."""
    write_rules(tmp_path, "rule\n")

    def run(**environment: str) -> bytes:
        leader, follower = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-m", "ruleproxy", "check"],
            cwd=tmp_path,
            env={name: value for name, value in os.environ.items() if name != "NO_COLOR"} | environment,
            stdout=follower,
        )
        os.close(follower)
        shown = b""
        with suppress(OSError):  # the other end was closed: Linux says so with EIO
            while piece := os.read(leader, 65536):
                shown += piece
        process.wait(60)
        os.close(leader)
        return shown

    assert b"\x1b[1;31merror" in run()
    assert b"\x1b" not in run(NO_COLOR="1")


def test_nothing_heavy_is_imported(tmp_path: Path) -> None:
    """Checking loads no server and no HTTP client: it starts as fast as it can."""
    write_rules(tmp_path, RULE)
    done = run_ruleproxy(tmp_path, "check", PYTHONPROFILEIMPORTTIME="1")
    assert done.returncode == 0
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "ruleproxy" in imported
    assert imported.isdisjoint(HEAVY)


def test_a_file_and_the_packs_beside_it(tmp_path: Path) -> None:
    """A single file of a folder finds the packs of that folder; of one that is nowhere it is said where it was not."""
    pack = tmp_path / "rules" / "packs" / "mark"
    pack.mkdir(parents=True)
    (pack / "pack.toml").write_text('name = "acme/mark"\nversion = "1"\nedition = 1\ndescription = "d"\n')
    (pack / "1.rules").write_text('edition 1\n\nrule "mark" on request then\n  strip request.body.a\nend\n')
    file = tmp_path / "rules" / "a.rules"
    file.write_text('edition 1\n\nuse "acme/mark"\n')
    for command in ("check", "list"):
        done = run_ruleproxy(tmp_path, command, "rules/a.rules")
        assert done.returncode == 0, done.stdout + done.stderr
    file.write_text('edition 1\n\nuse "acme/mrak"\n')
    done = run_ruleproxy(tmp_path, "check", "rules/a.rules")
    assert done.returncode == 1
    assert '= help: did you mean use "acme/mark"\n' in done.stdout
    assert "= help: looked in the folder of rules/a.rules and the shipped packs\n" in done.stdout


def test_more_uses_than_anyone_needs(tmp_path: Path) -> None:
    """A file full of `use` is told so once, and the packs are not opened for each of its lines."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "a.rules").write_text("edition 1\n" + 'use "acme/nowhere"\n' * 40_000)
    done = run_ruleproxy(tmp_path, "check")
    assert done.returncode == 1
    assert done.stdout.count("error[RP901]") == 200
    assert done.stdout.count("error[RP104]: more than 200 lines of `use`") == 1
