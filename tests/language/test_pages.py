"""The pages of the codes: each code has one, and what its examples show is so."""

from pathlib import Path

import pytest

from ruleproxy.engine.loading import load_rules
from ruleproxy.engine.trace_text import render_trace
from ruleproxy.engine.vocabulary import check_literal, load_vocabulary
from ruleproxy.language.checking import check_files
from ruleproxy.language.codes import ALL_CODES, CODES
from ruleproxy.language.diagnostics import Diagnostic
from ruleproxy.language.pages import FOLDER, Page, PageExample, all_pages, find_marks, find_page, render_page
from ruleproxy.language.parsing import parse
from ruleproxy.language.reading import source_from_bytes
from ruleproxy.language.reporting import render_all
from ruleproxy.rehearsal.testing import run_test

UPSTREAMS = {"default": "https://llm.corp.example"}


def check(example: PageExample) -> list[Diagnostic]:
    """The findings of an example, read as the file that it stands for."""
    source = source_from_bytes("example.rules", example.text.encode(example.encoding))
    if isinstance(source, Diagnostic):
        return [source]
    tree, problems = parse(source)
    found = check_files([tree], load_vocabulary(), upstreams=UPSTREAMS, check_literal=check_literal)
    return [*problems, *found]


def test_every_code_has_its_page() -> None:
    """There is a page for each code and for nothing else, with a wrong example and a right one."""
    assert {path.stem for path in FOLDER.iterdir()} == CODES.keys()
    assert [page.code for page in all_pages()] == list(ALL_CODES)
    for page in all_pages():
        assert [example.kind for example in page.examples] == ["wrong", "right"]
        assert len(find_marks(page.examples[0].text)) == 1
        assert find_marks(page.examples[1].text) == []
        assert not page.text.startswith("#")


def test_pages_are_found_by_number() -> None:
    """A number finds its page however it is written; what is no number finds none."""
    page = find_page("rp305")
    assert page is not None
    assert page.number == "RP305"
    assert page.title == CODES["RP305"].title
    assert find_page("RP999") is None
    with pytest.raises(KeyError):
        render_page("RP999")


@pytest.mark.parametrize("width", [40, 80, 200])
def test_pages_fit_a_terminal(width: int) -> None:
    """Prose is filled to the terminal's width, examples stay as they are."""
    for page in all_pages():
        lines = render_page(page, width).splitlines()
        assert lines[0] == f"{page.code.severity.value} {page.number}: {page.title}"
        assert all(len(line) <= width for line in lines[1:] if not line.startswith("    "))
        assert all(f"    {line}".rstrip() in lines for line in page.examples[0].text.splitlines())


WRONG = [page for page in all_pages() if not page.examples[0].runs]
RUN = [page for page in all_pages() if page.examples[0].runs]


@pytest.mark.parametrize("page", WRONG, ids=lambda page: page.number)
def test_wrong_examples_are_reported(page: Page) -> None:
    """The wrong example of a page is reported once, with the page's code, at the place that it marks."""
    example = page.examples[0]
    (finding,) = check(example)
    place = finding.primary.source.position(finding.primary.span.start)
    ((line, column),) = find_marks(example.text)
    assert finding.code == page.number, render_all([finding])
    assert place.line == line
    # The dashes of a comment take the first columns of a line: what begins there is marked right behind them.
    assert place.column == column or (place.column < column <= 6 and place.column <= 4)


@pytest.mark.parametrize("page", all_pages(), ids=lambda page: page.number)
def test_right_examples_are_fine(page: Page) -> None:
    """The repaired example of a page is not reported at all."""
    assert render_all(check(page.examples[1])) == ""


@pytest.mark.parametrize("page", RUN, ids=lambda page: page.number)
def test_examples_that_run(page: Page, tmp_path: Path) -> None:
    """Where a finding is one of the run, the wrong example's test fails at the marked place, the right one's passes."""
    for example in page.examples:
        assert render_all(check(example)) == ""
        file = tmp_path / f"{example.kind}.rules"
        file.write_text(example.text, encoding=example.encoding)
        ruleset = load_rules([file], None).ruleset
        assert ruleset is not None
        (report,) = [run_test(test, ruleset) for test in ruleset.tests]
        assert report.passed == (example.kind == "right")
        if example.kind == "wrong":
            assert report.trace is not None
            ((line, column),) = find_marks(example.text)
            assert f"{page.number} at {line}:{column}: " in render_trace(report.trace)
