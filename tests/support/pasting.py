"""What a person does with the `help:` of a report: put it where the report points, the way that its form asks for."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ruleproxy.language import syntax
from ruleproxy.language.diagnostics import Diagnostic
from ruleproxy.language.parsing import parse
from ruleproxy.language.reading import source_from_text
from ruleproxy.language.source import Span
from ruleproxy.language.walking import children

OFFER = re.compile(r"(?:did you mean|write|add) `(?P<text>.+?)`\??")
"""A help that names what to write between backticks, and says nothing else."""


def read_offer(line: str) -> str | None:
    """What a help line offers to be pasted; None where it explains, or leaves a gap for the reader to fill."""
    offered = OFFER.fullmatch(line)
    text = offered["text"] if offered is not None else line
    if "…" in text or text.startswith("--") or (offered is None and not is_code(text)):
        return None
    return text


def is_code(text: str) -> bool:
    """Whether a line is a piece of a rules file and not a sentence about one."""
    frames = (
        'rule "a" on request then\n{}\nend',
        'rule "a" on request\n{} then\nend',
        "{}\nthen\nend",
        'rule "a" on request then\n{}\nend\nend',
        'rule "a" on request when a {} then\nend',
        'test "a"\n{}\nend',
        "local a = {}",
        "{}",
    )
    return any(not parse(source_from_text("a.rules", frame.format(text)))[1] for frame in frames)


def paste(text: str, finding: Diagnostic, offer: str) -> Iterator[str]:
    """The texts that pasting an offer may give, the likeliest first."""
    spans = [finding.primary.span, *([] if finding.secondary is None else [finding.secondary.span])]
    yield from paste_header(text, finding.primary.span, offer)
    for span in spans:
        for around in [span, *enclosing(text, span)]:
            yield put(text, around, offer)
        yield from paste_inside(text, span, offer)
    for span in spans:
        line = line_of(text, span)
        indent = re.match(r"\s*", text[line.start : line.end])
        assert indent is not None
        block = f"{offer}\n{text[line.start : line.end]}\nend" if offer.endswith((" then", " do")) else offer
        yield put(text, line, indent[0] + block)
        yield put(text, line, indent[0] + offer)
        yield put(text, Span(line.end, line.end), f"\n{indent[0]}{offer}")
        yield put(text, Span(line.start, line.start), f"{indent[0]}{offer}\n")
        yield put(text, Span(span.end, span.end), f" {offer}")
        word = re.search(r"\S*$", text[: span.start])
        assert word is not None
        yield put(text, Span(word.start(), span.end), offer)
    yield f"{text}\n{offer}\n"
    for end in re.finditer(r"^end\b", text[spans[0].start :], re.MULTILINE):
        at = spans[0].start + end.start()
        yield put(text, Span(at, at), f"  {offer}\n")


def paste_header(text: str, span: Span, offer: str) -> Iterator[str]:
    """An offer that is the beginning of a rule, or its condition: in place of what is there, or together with it."""
    start = max(text.rfind("\nrule ", 0, span.start + 1) + 1, 0)
    then = re.compile(r"\bthen\b").search(text, start)
    if then is None or not offer.startswith(("rule ", "when ")):
        return
    head = text[start : then.start()]
    name, _, condition = head.partition("when")
    if offer.startswith("rule "):
        yield put(text, Span(start, then.start()), f"{offer}\n{head[len(name) :]}")
    elif condition:
        yield put(text, Span(start, then.start()), f"{name}{offer} and ({condition.strip()})\n")
        yield put(text, Span(start, then.start()), f"{name}{offer}\n")
    else:
        yield put(text, Span(then.start(), then.start()), f"\n{offer} ")


def paste_inside(text: str, span: Span, offer: str) -> Iterator[str]:
    """An offer that is one word, or the content of a string, of what a report points at."""
    inside = text[span.start : span.end]
    for word in dict.fromkeys(re.findall(r"\w+", inside)):
        yield put(text, span, re.sub(rf"\b{word}\b", lambda _: offer, inside))
    for string in re.finditer(r'"([^"]*)"', inside):
        yield put(text, Span(span.start + string.start(1), span.start + string.end(1)), offer)


def enclosing(text: str, span: Span) -> list[Span]:
    """Where the expressions and statements around a place stand, the smallest first."""
    tree, _ = parse(source_from_text("a.rules", text))
    found: list[Span] = []
    waiting: list[syntax.Node] = [*tree.items]
    while waiting:
        node = waiting.pop()
        if node.span.start <= span.start and node.span.end >= span.end:
            found.append(node.span)
        waiting += children(node)
    return sorted(set(found), key=lambda around: around.end - around.start)


def line_of(text: str, span: Span) -> Span:
    """The line on which a place begins, without its end."""
    end = text.find("\n", span.start)
    return Span(text.rfind("\n", 0, span.start) + 1, len(text) if end < 0 else end)


def put(text: str, span: Span, new: str) -> str:
    """A text with another one in a place."""
    return text[: span.start] + new + text[span.end :]
