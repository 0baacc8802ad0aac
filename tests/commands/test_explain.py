"""`ruleproxy explain` as users run it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ruleproxy.engine.vocabulary import load_vocabulary
from ruleproxy.language.codes import ALL_CODES
from ruleproxy.language.describing import describe_function, describe_verb, to_terminal
from ruleproxy.language.pages import render_page
from support.golden import compare_case, find_cases, run_ruleproxy


@pytest.mark.parametrize("case", find_cases(Path(__file__).parent / "explain"), ids=lambda case: case.name)
def test_what_explain_prints(case: Path, tmp_path: Path) -> None:
    """The command prints exactly what lies beside it and ends with that exit code."""
    compare_case(case, tmp_path)


def test_codes(tmp_path: Path) -> None:
    """A code's page is printed, however its number is written; a number that does not exist is usage."""
    for number in ("RP305", "rp305"):
        done = run_ruleproxy(tmp_path, "explain", number)
        assert (done.returncode, done.stdout) == (0, render_page("RP305", 100))
    told = json.loads(run_ruleproxy(tmp_path, "explain", "RP305", "--format", "json").stdout)
    assert told == {"name": "RP305", "text": render_page("RP305", 100)}
    missing = run_ruleproxy(tmp_path, "explain", "RP999")
    assert (missing.returncode, missing.stdout) == (2, "")
    assert "RP999" not in {code.number for code in ALL_CODES}
    assert "there is no code RP999" in missing.stderr


def test_verbs_and_functions(tmp_path: Path) -> None:
    """A verb or a function says what it does; a name that is nearly one is offered."""
    vocabulary = load_vocabulary()
    verb = run_ruleproxy(tmp_path, "explain", "strip")
    assert verb.stdout == f"verb strip\n\n{to_terminal(describe_verb(vocabulary.verbs['strip']), 100)}"
    function = run_ruleproxy(tmp_path, "explain", "capture")
    assert (
        function.stdout == f"function capture\n\n{to_terminal(describe_function(vocabulary.functions['capture']), 100)}"
    )
    missing = run_ruleproxy(tmp_path, "explain", "stripp")
    assert missing.returncode == 2
    assert missing.stderr == "ruleproxy: stripp: no such file, and no code, verb or function; did you mean strip?\n"


def test_a_file_comes_first(tmp_path: Path) -> None:
    """A capture may be called like a verb."""
    capture = {"version": 1, "request": {"method": "GET", "path": "/", "headers": []}}
    (tmp_path / "strip").write_text(json.dumps(capture))
    (tmp_path / "rules").mkdir()
    done = run_ruleproxy(tmp_path, "explain", "strip")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("request  GET /   rules ")
