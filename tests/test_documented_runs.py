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
