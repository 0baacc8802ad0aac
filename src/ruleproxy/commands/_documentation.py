"""The pages of the documentation that are made from the registries of verbs, functions and codes.

`python -m ruleproxy.commands._documentation docs` writes them, `make docs` calls that; a test fails where they are
stale.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from ruleproxy.engine.vocabulary import load_vocabulary
from ruleproxy.language.codes import ALL_CODES
from ruleproxy.language.describing import describe_function, describe_verb, signature_of, type_name
from ruleproxy.language.pages import BLOCK, Page, all_pages
from ruleproxy.language.signatures import SIDES, Verb

NOTICE = "<!-- made by `make docs`: edit what it is made from -->"


def make_pages() -> Mapping[str, str]:
    """The text of every page by the name of its file."""
    pages = {"verbs.md": verbs_page(), "functions.md": functions_page(), "codes.md": codes_page()}
    return {name: "\n".join(lines) + "\n" for name, lines in pages.items()}


def verbs_page() -> Iterator[str]:
    """What verbs do, a table first."""
    verbs = [verb for _, verb in sorted(load_vocabulary().verbs.items())]
    yield "# Verbs"
    yield ""
    yield NOTICE
    yield ""
    yield "Every statement of a rule begins with its verb; only verbs change anything. `PLACE` is a path, written out"
    yield "(`request.body.model`), `NAME` a word that names each element of a list for the `where` behind it; what"
    yield "is in `[…]` may be left out. An example shows a message before, the statement, and the message after. The"
    yield "language as a whole: [language.md](language.md)."
    yield ""
    yield "| verb | what it does | sides |"
    yield "|---|---|---|"
    for verb in verbs:
        yield f"| [`{verb.name}`](#{verb.name}) | {escape(verb.summary)} | {sides_of(verb)} |"
    for verb in verbs:
        yield from ("", f"## {verb.name}", "", describe_verb(verb))


def functions_page() -> Iterator[str]:
    """What functions give, a table first."""
    functions = [function for _, function in sorted(load_vocabulary().functions.items())]
    yield "# Functions"
    yield ""
    yield NOTICE
    yield ""
    yield "Functions compute and change nothing. `?` behind a parameter: it may be left out; `…`: the last one may be"
    yield "repeated. An argument of another type than the one that is asked for fails the rule, unless the text says"
    yield "otherwise. What the types are stands in [language.md](language.md#values)."
    yield ""
    yield "| function | gives | what |"
    yield "|---|---|---|"
    for function in functions:
        link = f"[`{escape(signature_of(function))}`](#{function.name})"
        yield f"| {link} | {type_name(function.returns)} | {escape(function.summary)} |"
    for function in functions:
        yield from ("", f"## {function.name}", "", describe_function(function))


def codes_page() -> Iterator[str]:
    """What findings mean, a table first."""
    yield "# Codes"
    yield ""
    yield NOTICE
    yield ""
    yield "Every finding has a number that never changes; `ruleproxy explain RP305` prints its page. Errors keep rules"
    yield "from coming into force; warnings and notes do not (`ruleproxy check --strict` counts warnings)."
    yield ""
    yield "| code | | |"
    yield "|---|---|---|"
    for code in ALL_CODES:
        yield f"| [{code.number}](#{code.number.lower()}) | {code.severity.value} | {escape(code.title)} |"
    for page in all_pages():
        title = page.title
        yield from ("", f"## {page.number}", "", f"**{page.code.severity.value}: {title}**", "", as_markdown(page))


def as_markdown(page: Page) -> str:
    """A page with its examples as blocks that are shown as Lua, what they are above them."""
    return BLOCK.sub(lambda block: f"{block['kind'].capitalize()}:\n\n```lua\n{block['text']}```\n", page.text).strip()


def sides_of(verb: Verb) -> str:
    """The sides on which a verb stands."""
    return "all" if set(verb.sides) == set(SIDES) else ", ".join(verb.sides)


def escape(text: str) -> str:
    """Text in a cell of a table."""
    return text.replace("|", "\\|")


def main() -> None:
    """Write the pages into the folder that is named, or into `docs`."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "docs")
    for name, text in make_pages().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
