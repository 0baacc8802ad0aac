"""Values of `anthropic-beta` that are dropped without their fields of the body, and fields without theirs (RP630)."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ruleproxy.language import syntax
from ruleproxy.language.checking.scope import ANY_DEPTH, EVERY, Key, literal_string
from ruleproxy.language.checking.writes import BETAS, Write

FILE = Path(__file__).parents[1] / "beta_fields.toml"
BODY: Key = ("request", "body")


@dataclass(frozen=True, slots=True)
class Pair:
    """What a value of `anthropic-beta` begins with, and the places in the body that go with it."""

    beta: str
    fields: tuple[Key, ...]


@cache
def load_pairs() -> tuple[Pair, ...]:
    """The pairs of the file beside the language."""
    with FILE.open("rb") as file:
        rows = tomllib.load(file)["pair"]
    return tuple(Pair(row["beta"], tuple(read_field(text) for text in row["fields"])) for row in rows)


def read_field(text: str) -> Key:
    """A path in the body as data."""
    steps = text.replace("[", ".[").strip(".").split(".")
    return (*BODY, *steps)


def check_betas(writes: Sequence[Write]) -> None:
    """Report halves."""
    requests = [write for write in writes if write.rule.side.text == "request"]
    for write in requests:
        if not write.applies:
            continue
        value = write.action.arguments.get("value")
        if write.action.form == "strip_from" and write.place == BETAS and value is not None:
            text = None if isinstance(value, syntax.Word) else literal_string(value)
            pairs = [pair for pair in load_pairs() if text is not None and text.startswith(pair.beta)]
            fields = [field for pair in pairs for field in pair.fields]
            if fields and not any(handles(other, field) for other in requests for field in fields):
                message = f"the value goes, and its field `{show_field(fields[0])}` stays"
                write.findings.add("RP630", message, value.span, "one without the other is refused",
                                   help=f"strip request.body{show_steps(fields[0])}")  # fmt: skip
        elif write.action.form == "strip":
            check_field(write, requests)


def check_field(write: Write, requests: Sequence[Write]) -> None:
    """A field of the body that is taken away, where nothing looks after the header."""
    pairs = [pair for pair in load_pairs() if any(is_same(write.place, field) for field in pair.fields)]
    if not pairs or any(other.place[:3] in (BETAS, BETAS[:2]) for other in requests if other.action.verb != "add"):
        return
    message = f"the field goes, and its value `{pairs[0].beta}…` of `anthropic-beta` stays"
    offer = [f'strip value in request.headers["anthropic-beta"] where starts_with(value, "{pairs[0].beta}")']
    write.findings.add("RP630", message, write.path.span, "one without the other is refused", help=tuple(offer))


def handles(write: Write, field: Key) -> bool:
    """Whether a write may see to a field: it takes it away, what holds it, or whatever a message names."""
    if write.action.form == "strip_at":
        return True
    if write.place[:2] != BODY:
        return False
    if write.action.verb in ("keep", "strip") and is_above(write.place, field):
        return True
    return is_same(write.place, field)


def is_above(place: Key, field: Key) -> bool:
    """Whether a place holds a field."""
    return ANY_DEPTH in field or all(mine == other for mine, other in zip(place, field, strict=False))


def is_same(place: Key, field: Key) -> bool:
    """Whether a place is a field, or a member of it."""
    if field[2:3] == (ANY_DEPTH,):
        tail = field[3:]
        return place[: len(BODY)] == BODY and place[-len(tail) :] == tail
    return place == field


def show_field(field: Key) -> str:
    """A field as people name it."""
    return show_steps(field).lstrip(".")


def show_steps(field: Key) -> str:
    """The steps to a field from the body."""
    return "".join(str(step) if step in (EVERY, ANY_DEPTH) else f".{step}" for step in field[2:])
