"""What a report offers is right: pasted where the report points, it makes the finding go away."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from ruleproxy.engine.vocabulary import check_literal, load_vocabulary
from ruleproxy.language.checking import check_files
from ruleproxy.language.diagnostics import Diagnostic, Severity
from ruleproxy.language.parsing import parse
from ruleproxy.language.reading import source_from_text
from support.pasting import paste, read_offer

CASES = sorted(
    path for path in (Path(__file__).parent.parent / "diagnostics").glob("**/*.rules") if "-fine" not in path.stem
)
UPSTREAMS = {"default": "https://llm.corp.example", "bedrock": "https://bedrock-runtime.eu-west-1.amazonaws.com"}
WRITTEN = ("RP101", "RP102", "RP103", "RP104")
"""Findings of the parser: it leaves a rule that it cannot read out, so that mending it may show what else is wrong."""


def find_all(text: str) -> list[Diagnostic]:
    """Everything that is wrong with a file."""
    tree, problems = parse(source_from_text("a.rules", text))
    return problems + check_files([tree], load_vocabulary(), upstreams=UPSTREAMS, check_literal=check_literal)


def name_of(finding: Diagnostic) -> tuple[str, str]:
    return finding.code, finding.message


ELSEWHERE = {
    ("320-sides", 'rule "no response yet" on response'),
    ("320-sides", 'rule "no response yet" on event'),
    ("331-fields", 'rule "the request is gone" on request'),
}
"""Offers of another side for rules that do two things of which no side allows both: the reader has to choose."""


def mends(finding: Diagnostic, before: list[Diagnostic], after: list[Diagnostic]) -> bool:
    """Whether a finding is gone, and no error came in its place."""
    was, now = Counter(map(name_of, before)), Counter(map(name_of, after))
    fresh = [found for found in after if (now - was)[name_of(found)] and found.severity is Severity.ERROR]
    if finding.code in WRITTEN:
        # What stands behind it is read now for the first time, and the parser says one thing of a statement.
        fresh = [
            found for found in fresh if found.code in WRITTEN and found.primary.span.start < finding.primary.span.start
        ]
    return now[name_of(finding)] < was[name_of(finding)] and not fresh


OFFERS = [
    (path, at, line)
    for path in CASES
    for at, finding in enumerate(find_all(path.read_text(encoding="utf-8")))
    for line in finding.help
    if read_offer(line) is not None and (path.stem, line) not in ELSEWHERE
]


@pytest.mark.parametrize(("path", "at", "line"), OFFERS, ids=lambda value: getattr(value, "stem", str(value)))
def test_what_is_offered_mends(path: Path, at: int, line: str) -> None:
    """Each line of help that can be pasted is what was to be written, in every file that provokes a code."""
    text = path.read_text(encoding="utf-8")
    before = find_all(text)
    offer = read_offer(line)
    assert offer is not None
    assert any(mends(before[at], before, find_all(pasted)) for pasted in paste(text, before[at], offer))


def test_many_findings_offer_something() -> None:
    """Of all findings that the cases provoke, nearly half come with something to paste."""
    findings = [finding for path in CASES for finding in find_all(path.read_text(encoding="utf-8"))]
    offering = [finding for finding in findings if any(read_offer(line) is not None for line in finding.help)]
    assert len(findings) > 300
    assert len(offering) / len(findings) > 0.4
