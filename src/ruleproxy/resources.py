"""Files that travel with the program: the grammar and the shipped packs.

In a wheel they lie in the package (`ruleproxy/data`), in a checkout at its top (`grammar/`, `rules/packs/`),
where people look for them.
"""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
CHECKOUT = PACKAGE.parent.parent


class MissingResourceError(FileNotFoundError):
    """A file that belongs to the program is neither in the package nor in a checkout around it."""


def find_resource(in_package: str, in_checkout: str) -> Path:
    """The path of a shipped file or folder; raises `MissingResourceError` if the installation is damaged."""
    candidates = (PACKAGE / "data" / in_package, CHECKOUT / in_checkout)
    for candidate in candidates:
        if candidate.exists():
            return candidate
    raise MissingResourceError(f"{in_package} is in neither of {', '.join(str(path) for path in candidates)}")


def grammar_text() -> str:
    """The text of the grammar, `rules.lark`."""
    return find_resource("rules.lark", "grammar/rules.lark").read_text(encoding="utf-8")


def packs_folder() -> Path:
    """The folder of the shipped packs, one folder in it for each."""
    return find_resource("packs", "rules/packs")
