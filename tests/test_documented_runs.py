"""The runs that the documentation shows: what is printed under a command is what comes."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from pathlib import Path

import pytest

from ruleproxy.resources import CHECKOUT
from support.golden import ACCEPT, run_ruleproxy

PAGES = {"testing.md": "testing"}
"""Pages with `console` blocks, and the folder beside them in which their commands run, one after the other."""

_BLOCK = re.compile(r"^```console\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)


def run_block(block: str, folder: Path) -> str:
    """The commands of a block, each with what it prints now."""
    shown: list[str] = []
    for command in re.findall(r"^\$ (.*)$", block, flags=re.MULTILINE):
        program, *arguments = shlex.split(command)
        assert program == "ruleproxy"
        done = run_ruleproxy(folder, *arguments)
        printed = (done.stderr + done.stdout).rstrip("\n")
        shown.append(f"$ {command}\n{printed}\n")
    return "\n".join(shown)


@pytest.mark.parametrize(("page", "folder"), PAGES.items())
def test_shown_runs_are_what_comes(page: str, folder: str, tmp_path: Path) -> None:
    """Every command of a page, in order, in a copy of its folder."""
    file = CHECKOUT / "docs" / page
    text = file.read_text(encoding="utf-8")
    work = tmp_path / folder
    shutil.copytree(CHECKOUT / "docs" / folder, work)
    fresh = _BLOCK.sub(lambda block: f"```console\n{run_block(block[1], work)}```", text)
    if os.environ.get(ACCEPT):
        file.write_text(fresh, encoding="utf-8")
    assert _BLOCK.search(text)
    assert fresh == text or os.environ.get(ACCEPT)


def test_the_rule_of_the_readme_and_what_its_slips_print(tmp_path: Path) -> None:
    """It passes as it stands there; without its guard, and with a test that fails, what comes is what is shown."""
    text = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    rule = text.partition("A file `rules/10-gateway.rules`:")[2].partition("```lua\n")[2].partition("```")[0]
    unguarded = rule.replace('on request, required\nwhen request.headers["x-api-key"] ~= nil then', "on request then")
    failing = rule.replace('== "proxy bypass"', '== "proxy bypas"')
    shown = [begin + text.partition(f"```\n{begin}")[2].partition("```")[0] for begin in ("error[RP305]", "  failed ")]
    assert all(len(block) > 100 for block in shown)
    assert len({rule, unguarded, failing}) == 3
    file = tmp_path / "rules" / "10-gateway.rules"
    file.parent.mkdir()
    for written, command, expected in (
        (rule, "check", "nothing found"),
        (rule, "test", "1 passed, 0 failed"),
        (unguarded, "check", shown[0]),
        (failing, "test", shown[1]),
    ):
        file.write_text(written, encoding="utf-8")
        done = run_ruleproxy(tmp_path, command)
        assert expected in done.stdout + done.stderr
