"""Differences of two sets of rules as people read them: in a terminal, and in the description of a pull request."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from ruleproxy.engine.trace_text import cut_value
from ruleproxy.language.counts import count
from ruleproxy.language.counts import group as grouped
from ruleproxy.rehearsal.comparing import Part
from ruleproxy.rehearsal.grouping import PARTS, Group, Summary

TITLES: Final[dict[Part, str]] = {"request": "what goes out", "answer": "what the client gets", "rules": "rules"}


def describe_change(group: Group) -> str:
    """What was there and what is there now; of values that are not the same everywhere, the first."""
    before, after = (None if value is None else cut_value(value) for value in (group.before, group.after))
    change = " -> ".join(value for value in (before, after) if value is not None)
    return change if group.alike or not change else f"{change}, and others"


def render_text(summary: Summary) -> Iterator[str]:
    """Two lines a difference: the place and how often, and what it is; an example each."""
    for part in PARTS:
        groups = list(summary.of_part(part))
        if not groups:
            continue
        yield TITLES[part]
        places = max(len(group.where) for group in groups)
        counts = [_describe_count(group, summary.captures) for group in groups]
        width = max(map(len, counts))
        for group, counted in zip(groups, counts, strict=True):
            yield f"  {group.kind} {group.where or 'the whole body':<{places}}  {counted:<{width}}  {_rules(group)}"
            yield f"      {describe_change(group)}   {group.example}"
        yield ""
    yield _closing(summary)


def _describe_count(group: Group, captures: int) -> str:
    noun = {"request": "requests", "answer": "answers", "rules": "captures"}[group.part]
    places = f" ({grouped(group.places)} places)" if group.places > group.captures else ""
    return f"on {grouped(group.captures)} of {grouped(captures)} {noun if captures != 1 else noun[:-1]}{places}"


def _rules(group: Group) -> str:
    return ", ".join(f'rule "{name}"' for name in group.rules)


def _closing(summary: Summary) -> str:
    captures = count(summary.captures, "capture")
    said = f"{captures}: no difference"
    if summary.groups:
        said = f"{count(len(summary.groups), 'difference')} on {grouped(summary.differing)} of {captures}"
    return f"{said}, {grouped(summary.unreadable)} that cannot be read" if summary.unreadable else said


def render_markdown(summary: Summary, old: str, new: str) -> Iterator[str]:
    """A table for each part."""
    yield f"### Rules: {_code(old)} → {_code(new)}"
    yield ""
    yield f"{_closing(summary)}."
    for part in PARTS:
        groups = list(summary.of_part(part))
        if not groups:
            continue
        yield ""
        yield f"**{TITLES[part].capitalize()}**"
        yield ""
        yield "| | where | change | on | rule | example |"
        yield "|---|---|---|---|---|---|"
        for group in groups:
            cells = (
                _code(group.kind),
                _code(group.where or "the whole body"),
                _code(describe_change(group)),
                _describe_count(group, summary.captures).removeprefix("on "),
                ", ".join(map(_code, group.rules)),
                _code(group.example),
            )
            yield f"| {' | '.join(cells)} |"


def _code(text: str) -> str:
    """Text as code in a cell, whatever is in it (https://spec.commonmark.org, section 6.1; GitHub's tables)."""
    if not text:
        return ""
    text = " ".join(text.split()).replace("|", "\\|")
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    padding = " " if longest else ""
    return f"{fence}{padding}{text}{padding}{fence}"


def render_json(summary: Summary, old: dict[str, Any], new: dict[str, Any]) -> str:
    """Everything, as one object."""
    document = {
        "diff": 1,
        "old": old,
        "new": new,
        "captures": summary.captures,
        "differing": summary.differing,
        "unreadable": summary.unreadable,
        "differences": [group for part in PARTS for group in summary.of_part(part)],
        "code": summary.code,
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()
