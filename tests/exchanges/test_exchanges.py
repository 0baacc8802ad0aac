"""Whole exchanges: each folder here holds rules, a command line, and all that it prints."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.golden import compare_case, find_cases


@pytest.mark.parametrize("case", find_cases(Path(__file__).parent), ids=lambda case: case.name)
def test_what_a_command_prints(case: Path, tmp_path: Path) -> None:
    """The command prints exactly what lies beside it and ends with that exit code."""
    compare_case(case, tmp_path)
