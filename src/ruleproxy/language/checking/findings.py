"""Where the checker puts what it finds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from ruleproxy.language.codes import find_code
from ruleproxy.language.diagnostics import Diagnostic, Label, Severity
from ruleproxy.language.problems import move_span
from ruleproxy.language.source import Source, Span
from ruleproxy.language.suggestions import LONGEST, count_slips, find_nearest


@dataclass(slots=True)
class Findings:
    """The findings of one file; `whole` where all of it could be read, `lost` the names of what could not.

    Spans are those of a tree that stands `offset` characters further on in the file.
    """

    source: Source
    whole: bool = True
    lost: frozenset[str] = frozenset()
    diagnostics: list[Diagnostic] = field(default_factory=list)
    silent: bool = False
    offset: int = 0

    def add(
        self,
        code: str,
        message: str,
        span: Span,
        label: str = "",
        *,
        second: Span | None = None,
        second_label: str = "",
        second_in: Findings | None = None,
        help: tuple[str, ...] | str = (),  # noqa: A002  (what the reports call it)
        severity: Severity | None = None,
    ) -> None:
        """A finding at a span of this file; `second` may be one of another tree."""
        if self.silent:
            return
        secondary = None if second is None else (second_in or self).label(second, second_label)
        self.diagnostics.append(
            Diagnostic(
                code,
                severity or find_code(code).severity,
                message,
                self.label(span, label),
                secondary,
                (help,) if isinstance(help, str) else help,
            )
        )

    def label(self, span: Span, text: str) -> Label:
        """A span of the tree, with what is said beside it."""
        return Label(self.source, move_span(span, self.offset) if self.offset else span, text)

    def text(self, span: Span, limit: int = 90) -> str:
        """What stands at a span, on one line and cut where it is long."""
        text = " ".join(self.source.slice(move_span(span, self.offset)).split())
        return text if len(text) <= limit else f"{text[: limit - 1]}…"


def did_you_mean(word: str, names: Iterable[str], pattern: str = "{}") -> tuple[str, ...]:
    """The help line that offers the nearest known name, if one is near."""
    nearest = find_nearest(word, (name for name in names if may_be_near(word, name)))
    return () if nearest is None else (f"did you mean `{pattern.format(nearest)}`?",)


def may_be_near(word: str, name: str) -> bool:
    """Whether few enough letters differ, in any order, to compare two names in full: there may be thousands of them."""
    mine, other = Counter(word.lower()), Counter(name.lower())
    differing = max((mine - other).total(), (other - mine).total())
    return differing <= max(1, len(word) // 3)


def find_near_miss(word: str, names: Iterable[str]) -> str | None:
    """A known name that is so near that another is hardly meant: one slip, two in a long name, or another case."""
    return find_near_known(word, frozenset(names))


@lru_cache(maxsize=1024)
def find_near_known(word: str, names: frozenset[str]) -> str | None:
    """`find_near_miss`, remembered: a field that is new to one rule is new to the next."""
    plain = word.replace("_", "").lower()
    known = sorted(names)
    for name in known:
        if name.replace("_", "").lower() == plain:
            return name
    if not 4 <= len(word) <= LONGEST:
        return None
    allowed = 1 if len(word) < 8 else 2
    near = [(count_slips(word, name), name) for name in known if abs(len(name) - len(word)) <= allowed]
    slips, best = min(near, default=(allowed + 1, ""))
    return best if slips <= allowed else None
