"""What the checker says of rules: each case is a file beside its expected report, and files that are fine."""

from collections import Counter
from pathlib import Path

import pytest

from ruleproxy.engine.vocabulary import check_literal, load_vocabulary
from ruleproxy.language.checking import check_files
from ruleproxy.language.codes import CODES
from ruleproxy.language.diagnostics import Diagnostic
from ruleproxy.language.parsing import parse
from ruleproxy.language.reading import source_from_text
from ruleproxy.language.reporting import render_all

CASES = sorted((Path(__file__).parent.parent / "diagnostics" / "checker").glob("*.rules"))
FINE = [path for path in CASES if "-fine" in path.stem]
WRONG = [path for path in CASES if path not in FINE]

UPSTREAMS = {
    "default": "https://llm.corp.example",
    "bedrock": "https://bedrock-runtime.eu-west-1.amazonaws.com",
}


def check(path: Path) -> list[Diagnostic]:
    """Everything that is found in a file."""
    tree, problems = parse(source_from_text(path.name, path.read_text(encoding="utf-8")))
    return problems + check_files(
        [tree],
        load_vocabulary(),
        upstreams=UPSTREAMS,
        declared_parameters=None,
        check_literal=check_literal,
    )


@pytest.mark.parametrize("path", WRONG, ids=lambda path: path.stem)
def test_reports(path: Path) -> None:
    """A mistake is reported with its code, its place and its fix, word for word."""
    findings = check(path)
    assert render_all(findings) == path.with_suffix(".txt").read_text(encoding="utf-8")
    assert f"RP{path.stem[:3]}" in {finding.code for finding in findings}
    assert {finding.code for finding in findings} <= CODES.keys()


@pytest.mark.parametrize("path", FINE, ids=lambda path: path.stem)
def test_near_misses_are_fine(path: Path) -> None:
    """What looks nearly like a mistake and is none is not reported."""
    assert render_all(check(path)) == ""


def test_every_code_has_its_cases() -> None:
    """Each code has three files that provoke it, and three near misses that do not.

    RP510 is met at run time, and is held where rules are run.
    """
    wrong = Counter(path.stem[:3] for path in WRONG)
    fine = Counter(path.stem[:3] for path in FINE)
    numbers = {code.removeprefix("RP") for code in CODES} - {"510"}
    assert wrong.keys() == fine.keys() == numbers
    assert all(count >= 3 for count in [*wrong.values(), *fine.values()])
    assert not [path for path in FINE if path.with_suffix(".txt").exists()]
