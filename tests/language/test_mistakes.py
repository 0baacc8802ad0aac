"""What is said of text that is not the language: each case is a file beside its expected report."""

from pathlib import Path

import pytest

from ruleproxy.language.codes import CODES
from ruleproxy.language.parsing import parse
from ruleproxy.language.reading import source_from_text
from ruleproxy.language.reporting import render_all

CASES = sorted((Path(__file__).parent.parent / "diagnostics").glob("*.rules"))


def report(path: Path) -> str:
    tree, diagnostics = parse(source_from_text(path.name, path.read_text(encoding="utf-8")))
    assert all(diagnostic.code in CODES for diagnostic in diagnostics)
    assert tree.source.name == path.name
    return render_all(diagnostics)


@pytest.mark.parametrize(
    "path", [path for path in CASES if path.with_suffix(".txt").exists()], ids=lambda path: path.stem
)
def test_reports(path: Path) -> None:
    """A mistake is reported with its code, its place and its fix, word for word."""
    assert report(path) == path.with_suffix(".txt").read_text(encoding="utf-8")


def test_there_are_cases() -> None:
    """The folder of cases is found, and each case reports something."""
    reports = [path.with_suffix(".txt") for path in CASES if path.with_suffix(".txt").exists()]
    assert len(reports) >= 40
    assert all(path.read_text(encoding="utf-8").startswith("error[RP") for path in reports)
