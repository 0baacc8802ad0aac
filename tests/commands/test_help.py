"""What the commands say of themselves."""

from __future__ import annotations

from pathlib import Path

from support.golden import run_ruleproxy


def test_every_command_is_summed_up_in_a_line(tmp_path: Path) -> None:
    """The overview names each with a whole sentence."""
    shown = run_ruleproxy(tmp_path, "--help").stdout
    lines = shown.partition("Commands:\n")[2].splitlines()
    assert len(lines) >= 13
    assert all(line.endswith(".") and not line.endswith("...") for line in lines), shown
