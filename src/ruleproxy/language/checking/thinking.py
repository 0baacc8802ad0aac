"""Rules that touch thinking without its signature (RP620), and strips that may leave a message without content (RP621).

An empty thinking block with a signature carries the reasoning of current models (Anthropic's documentation of
extended thinking: blocks are sent back unmodified); an empty `content` is refused.
"""

from __future__ import annotations

from collections.abc import Sequence

from ruleproxy.language import syntax
from ruleproxy.language.checking.scope import EVERY, Key, bare, literal_string
from ruleproxy.language.checking.writes import BLOCK, CONTENT, MESSAGES, Write, find_paths, names_step

SIGNED = ("thinking", "signature")
"""The members of a thinking block that belong together."""


def check_thinking(writes: Sequence[Write]) -> None:
    """Report what takes thinking away, or changes it, without having looked at the signature."""
    for write in writes:
        if write.rule.side.text != "request" or write.action.verb in ("move", "limit", "merge"):
            continue
        if write.place[: len(CONTENT)] != CONTENT:
            continue
        condition = write.action.arguments.get("condition")
        asked = [*write.asked, *([] if condition is None or isinstance(condition, syntax.Word) else [condition])]
        touched = find_touch(write, asked)
        if touched is None or any(names_step(path, "signature") for path in find_paths(*asked)):
            continue
        message = "thinking is touched without looking at its signature"
        label = "where it is signed, it carries the reasoning"
        write.findings.add("RP620", message, touched.span, label, help=offer_signature(touched, write))


def find_touch(write: Write, asked: Sequence[syntax.Expression]) -> syntax.Node | None:
    """What in a write says that it is thinking that it touches."""
    place = write.place
    if place[: len(BLOCK)] == BLOCK and len(place) > len(BLOCK) and place[len(BLOCK)] in SIGNED:
        return write.path
    if is_blocks(place) or place == BLOCK:
        return next((found for part in asked if (found := find_thinking(part)) is not None), None)
    return None


def is_blocks(place: Key) -> bool:
    """Whether a place is the list of blocks of messages."""
    return place in (CONTENT, BLOCK)


def find_thinking(node: syntax.Expression) -> syntax.Expression | None:
    """The part of a condition that asks for blocks of type `thinking`, where they are what it asks for."""
    inner = bare(node)
    match inner:
        case syntax.Binary(operator="and" | "or", left=left, right=right):
            return find_thinking(left) or find_thinking(right)
        case syntax.Binary(operator="==", left=left, right=right):
            for place, text in ((left, right), (right, left)):
                if literal_string(text) == "thinking" and asks_for_type(place):
                    return inner
        case syntax.Binary(operator="in", left=left, right=right):
            table = bare(right)
            if isinstance(table, syntax.Table) and asks_for_type(left):
                if any(literal_string(field.value) == "thinking" for field in table.fields):
                    return inner
    return None


def asks_for_type(node: syntax.Expression) -> bool:
    """Whether an expression is the `type` of something."""
    inner = bare(node)
    return isinstance(inner, syntax.Path) and bool(inner.steps) and names_step(inner, "type")


def offer_signature(touched: syntax.Node, write: Write) -> tuple[str, ...]:
    """The question that was not asked."""
    if not isinstance(touched, syntax.Path):
        path = next(find_paths(touched))
        return (f"and blank({write.findings.text(path.span).removesuffix('.type')}.signature)",)
    if any(isinstance(step, syntax.Every | syntax.AnyDepth) for step in touched.steps):
        return ()
    holder = write.findings.text(touched.span).rpartition(".")[0]
    return (f"if blank({holder}.signature) then",) if holder else ()


def check_content(writes: Sequence[Write]) -> None:
    """Report strips of blocks after which nothing takes empty messages away."""
    for at, write in enumerate(writes):
        if write.action.form != "strip_where" or write.place not in (CONTENT, BLOCK) or not write.applies:
            continue
        if any(fills_or_strips(later) for later in writes[at + 1 :] if acts_after(write, later)):
            continue
        write.findings.add("RP621", "this may leave a message without content", write.path.span, "perhaps empty then",
                           help="strip message in request.body.messages where blank(message.content)")  # fmt: skip


def acts_after(write: Write, later: Write) -> bool:
    """Whether a later write is made to the same request: rules of the request side do not run again after a retry."""
    return later.rule is write.rule or later.rule.side.text == write.rule.side.text == "request"


def fills_or_strips(write: Write) -> bool:
    """Whether a write sees to messages that are empty."""
    if write.place == MESSAGES and write.action.form == "strip_where":
        condition = write.action.arguments.get("condition")
        return condition is not None and any(names_step(path, "content") for path in find_paths(condition))
    if write.place[:4] != (*MESSAGES, EVERY):
        return False
    return any(names_step(path, "content") for path in find_paths(*write.asked))
