"""The pages of the codes: each code has one, and what its examples show is so."""

import pytest

from ruleproxy.engine.vocabulary import check_literal
from ruleproxy.language.checking import check_files
from ruleproxy.language.codes import ALL_CODES, CODES
from ruleproxy.language.diagnostics import Diagnostic
from ruleproxy.language.pages import FOLDER, PageExample, all_pages, find_marks, find_page, render_page
from ruleproxy.language.parsing import parse
from ruleproxy.language.reading import source_from_bytes
from support.vocabulary import design_vocabulary

UPSTREAMS = {"default": "https://llm.corp.example"}


def check(example: PageExample) -> list[Diagnostic]:
    """The findings of an example, read as the file that it stands for."""
    source = source_from_bytes("example.rules", example.text.encode(example.encoding))
    if isinstance(source, Diagnostic):
        return [source]
    tree, problems = parse(source)
    found = check_files([tree], design_vocabulary(), upstreams=UPSTREAMS, check_literal=check_literal)
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
