"""The page of every code: what a finding means, an example that is wrong, and the same put right.

A page is a Markdown file in the folder `pages` beside this one: prose and blocks of rules. What the fence of a block
says after `rules` is part of the page: `wrong` or `right`, then `runs` where the example is run and not only checked,
or the encoding that its file has where that is not UTF-8. In a wrong example the comment of carets under a line marks
the place that the report points at. Every example is a test.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from ruleproxy.language.codes import ALL_CODES, CODES, Code

FOLDER = Path(__file__).with_name("pages")

BLOCK = re.compile(
    r"^```rules (?P<kind>wrong|right)(?P<words>(?: \S+)*)\n(?P<text>.*?)^```\n?", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True, slots=True)
class PageExample:
    """Rules that are `wrong` or `right`; `encoding` is that of the file, `runs` says that its tests are run."""

    kind: Literal["wrong", "right"]
    text: str
    encoding: str = "utf-8"
    runs: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """What there is to say of a code; `text` is Markdown without a heading, its examples in it."""

    code: Code
    text: str
    examples: tuple[PageExample, ...]

    @property
    def number(self) -> str:
        """The code's number, such as `RP305`."""
        return self.code.number

    @property
    def title(self) -> str:
        """What the code is called, in lower case."""
        return self.code.title


@cache
def find_page(number: str) -> Page | None:
    """The page of a code's number, in upper or lower case; None for a number that does not exist."""
    code = CODES.get(number.upper())
    if code is None:
        return None
    text = (FOLDER / f"{code.number}.md").read_text(encoding="utf-8").strip() + "\n"
    return Page(code, text, tuple(read_examples(text)))


def all_pages() -> tuple[Page, ...]:
    """The pages of all codes, in the order of their numbers."""
    return tuple(page for code in ALL_CODES if (page := find_page(code.number)) is not None)


def read_examples(text: str) -> Iterator[PageExample]:
    """The examples of a page, in order."""
    for block in BLOCK.finditer(text):
        words = block["words"].split()
        encoding = next((word for word in words if word != "runs"), "utf-8")
        yield PageExample("wrong" if block["kind"] == "wrong" else "right", block["text"], encoding, "runs" in words)


def find_marks(example: str) -> list[tuple[int, int]]:
    """The places that an example's comments of carets mark: line and column, both from 1, of the line above each."""
    marks = []
    for number, line in enumerate(example.splitlines()):
        if re.fullmatch(r" *-- *\^+", line):
            marks.append((number, line.index("^") + 1))
    return marks


def render_page(code: Page | str, width: int = 80) -> str:
    """A page as plain text for a terminal of that many columns; raises `KeyError` for a number that does not exist."""
    page = code if isinstance(code, Page) else find_page(code)
    if page is None:
        raise KeyError(code)
    parts = [f"{page.code.severity.value} {page.number}: {page.title}"]
    position = 0
    for block in BLOCK.finditer(page.text):
        parts += fill(page.text[position : block.start()], width)
        parts.append(f"{block['kind']}:\n\n{textwrap.indent(block['text'], '    ').rstrip()}")
        position = block.end()
    parts += fill(page.text[position:], width)
    return "\n\n".join(parts) + "\n"


def fill(prose: str, width: int) -> list[str]:
    """The paragraphs of a piece of prose, each at most so wide."""
    paragraphs = (" ".join(paragraph.split()) for paragraph in prose.split("\n\n"))
    return [textwrap.fill(text, max(20, width), break_long_words=False) for text in paragraphs if text]
