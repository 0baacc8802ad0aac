"""The documentation is right: what is made is fresh, and every example works."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ruleproxy.commands._documentation import make_pages
from ruleproxy.engine.loading import load_rules
from ruleproxy.engine.vocabulary import check_literal, load_vocabulary
from ruleproxy.language.checking import check_files
from ruleproxy.language.diagnostics import Severity
from ruleproxy.language.formatting import format_file
from ruleproxy.language.parsing import parse
from ruleproxy.language.reporting import render_all
from ruleproxy.language.source import Source
from ruleproxy.rehearsal.testing import run_test
from ruleproxy.resources import CHECKOUT

DOCS = CHECKOUT / "docs"


@pytest.mark.parametrize("name", sorted(make_pages()))
def test_made_pages_are_fresh(name: str) -> None:
    """The pages say what the registries say."""
    shown = (DOCS / name).read_text(encoding="utf-8")
    assert shown == make_pages()[name], f"docs/{name} is stale: run `make docs`"


def find_examples(file: Path) -> list[tuple[str, str]]:
    """The blocks of rules in a page, each with the line that it begins on."""
    text = file.read_text(encoding="utf-8")
    blocks = re.finditer(r"^```lua\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    return [(f"{file.name}:{text.count(chr(10), 0, block.start(1)) + 1}", block[1]) for block in blocks]


EXAMPLES = [
    example for name in ("language", "examples", "capabilities") for example in find_examples(DOCS / f"{name}.md")
]


@pytest.mark.parametrize(("place", "text"), EXAMPLES, ids=[place for place, _ in EXAMPLES])
def test_examples_are_right(place: str, text: str) -> None:
    """An example is written the one way, and nothing but that no test reaches its rules is said of it."""
    tree, problems = parse(Source(place, text))
    assert render_all(problems) == ""
    assert format_file(tree) == text
    findings = check_files([tree], load_vocabulary(), check_literal=check_literal)
    counted = [found for found in findings if found.severity is not Severity.NOTE and found.code != "RP801"]
    assert render_all(counted) == ""


TESTED = [(place, text) for place, text in EXAMPLES if '\ntest "' in text]


@pytest.mark.parametrize(("place", "text"), TESTED, ids=[place for place, _ in TESTED])
def test_tests_in_examples_pass(place: str, text: str, tmp_path: Path) -> None:
    """A test that is shown passes."""
    (tmp_path / "a.rules").write_text(text, encoding="utf-8")
    ruleset = load_rules([tmp_path], None).ruleset
    assert ruleset is not None
    results = [run_test(test, ruleset) for test in ruleset.tests]
    assert results
    assert [(result.name, result.problem, result.missed) for result in results if not result.passed] == []


LINKS = [
    (file.name, link)
    for file in sorted(DOCS.glob("*.md"))
    for link in re.findall(r"\]\(([^)]+)\)", file.read_text(encoding="utf-8"))
]


@pytest.mark.parametrize(("page", "link"), sorted(set(LINKS)), ids=str)
def test_links_lead_somewhere(page: str, link: str) -> None:
    """A link into the documentation names a page, and a heading that is there."""
    if link.startswith("http"):
        return
    name, _, heading = link.partition("#")
    target = DOCS / (name or page)
    assert target.exists(), link
    if heading:
        titles = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), flags=re.MULTILINE)
        anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
        assert heading in anchors, link
