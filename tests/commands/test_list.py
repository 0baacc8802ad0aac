"""`ruleproxy list` as users run it."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.golden import compare_case, find_cases


@pytest.mark.parametrize("case", find_cases(Path(__file__).parent / "list"), ids=lambda case: case.name)
def test_what_list_prints(case: Path, tmp_path: Path) -> None:
    """The command prints exactly what lies beside it and ends with that exit code."""
    compare_case(case, tmp_path)
