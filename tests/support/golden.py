"""Command lines and their whole output, kept as files beside what they work on."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

COMMANDS, EXPECTED = "command.txt", "expected.txt"

ACCEPT = "ACCEPT_EXPECTED"
"""With this in the environment, a test writes what came out as what is expected."""


def find_cases(folder: Path) -> list[Path]:
    """The folders that hold commands."""
    return sorted(file.parent for file in folder.glob(f"*/{COMMANDS}"))


def run_ruleproxy(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `ruleproxy` as a process of its own in a folder, without settings from this environment."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RULEPROXY_")}
    return subprocess.run(
        [sys.executable, "-m", "ruleproxy", *arguments],
        cwd=folder,
        env=kept | {"NO_COLOR": "1", "COLUMNS": "100"} | environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def compare_case(case: Path, work: Path) -> None:
    """Run the commands of a case in a copy of its folder and compare everything they print."""
    folder = work / case.name
    shutil.copytree(case, folder)
    shown: list[str] = []
    for line in (case / COMMANDS).read_text(encoding="utf-8").splitlines():
        program, *arguments = shlex.split(line)
        assert program == "ruleproxy", line
        done = run_ruleproxy(folder, *arguments)
        errors = "".join(f"stderr: {text}\n" for text in done.stderr.splitlines())
        shown.append(f"$ {line}\n{done.stdout}{errors}exit {done.returncode}\n")
    text = "\n".join(shown)
    expected = case / EXPECTED
    if os.environ.get(ACCEPT):
        expected.write_text(text, encoding="utf-8")
    assert text == expected.read_text(encoding="utf-8")
