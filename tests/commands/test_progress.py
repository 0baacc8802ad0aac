"""The bar of long runs: in a terminal it is drawn below what is written, elsewhere there is none."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

RULES = 'rule "tag" on request then\n  rewrite request.headers["x-tag"] = "1"\nend\n'


def run_in_terminal(folder: Path, *arguments: str) -> str:
    """What a terminal of 100 columns gets."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": "100", "TERM": "xterm"}
    command = [sys.executable, "-m", "ruleproxy", *arguments]
    process = subprocess.Popen(command, cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    said = b""
    while True:
        try:
            data = os.read(ours, 65536)
        except OSError:  # Linux: nobody writes any more
            data = b""
        if not data:
            break
        said += data
    os.close(ours)
    assert process.wait(60) == 0
    return said.decode()


def test_a_bar_stays_out_of_what_is_written(tmp_path: Path) -> None:
    """Every line of the report is there whole, the bar is drawn on lines of its own and gone at the end."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/a.rules").write_text(RULES)
    (tmp_path / "captures").mkdir()
    capture = json.dumps({"request": {"method": "GET", "path": "/" + "x" * 150}})
    for number in range(5000):
        (tmp_path / f"captures/{number:04}.json").write_text(capture)
    said = run_in_terminal(tmp_path, "test", "--captures", "captures", "--jobs", "1")
    lines = said.replace("\r\n", "\n").split("\n")
    named = [line for line in lines if line.endswith("x to https://upstream.example")]
    assert [line.rpartition("\x1b[2K")[2].partition(".json")[0] for line in named] == [
        f"captures/{number:04}" for number in range(5000)
    ]
    assert "/5000" in said
    assert said.endswith("5 000 captures: 5 000 changed\r\n")
