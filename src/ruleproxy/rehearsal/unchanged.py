"""`expect unchanged`: the very bytes of a value, as they came and as they went."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ruleproxy.engine.context import RunContext
from ruleproxy.engine.expressions import ENVIRONMENT, CannotCompile, Expressions, Scope
from ruleproxy.engine.masking import mask_operand
from ruleproxy.engine.vocabulary import load_vocabulary
from ruleproxy.language import syntax
from ruleproxy.language.checking.actions import is_many
from ruleproxy.messages.body import Body
from ruleproxy.messages.edited import EditedResponse
from ruleproxy.messages.journal import Journal
from ruleproxy.messages.message import Response
from ruleproxy.messages.nodes import Node, ObjectNode
from ruleproxy.messages.values import NIL, EditRefused, Value, encode
from ruleproxy.rehearsal.finished import Finished
from ruleproxy.rehearsal.givens import BadTest


def check_unchanged(path: syntax.Path, finished: Finished) -> list[str]:
    """Why a value is not what it was, a line each; nothing where it is. Raises `BadTest`."""
    root = path.base.name if isinstance(path.base, syntax.Name) else ""
    if root not in ("request", "response") or not path.steps:
        raise BadTest(path.span, "unchanged takes a path that begins with request or response")
    context = finished.context
    if root == "response" and not context.original.answered:
        context.original.response = _as_received(finished)
    original = syntax.Path(
        path.span, syntax.Name(path.base.span, "original"), (syntax.Member(path.base.span, root), *path.steps)
    )
    try:
        before, after = (_texts(node, finished) for node in (original, path))
    except EditRefused as refused:
        return [str(refused)]
    text = " ".join(finished.test.source.slice(path.span).split())
    if not before and not after:
        return [f"{text} is in neither what came nor what went out"]
    if before == after:
        return []
    return [f"{name}   {mask_operand(text, _shown(texts))}" for name, texts in (("came", before), ("went", after))]


def _as_received(finished: Finished) -> EditedResponse:
    # No rule looked at the answer, so what the client got is what came.
    return EditedResponse(
        Response(finished.client.status, finished.client.headers, finished.client.body),
        Journal(),
        streamed=finished.client.streamed,
    )


def _texts(path: syntax.Path, finished: Finished) -> list[bytes]:
    """The JSON texts of what a path names, as they stand in the message."""
    last = path.steps[-1]
    if isinstance(last, syntax.Member) and last.name == "body" and (body := _whole_body(path, finished)) is not None:
        return [body.source] if body.source else []
    fields = 2 if isinstance(path.base, syntax.Name) and path.base.name == "original" else 1
    if len(path.steps) > fields and isinstance(last, syntax.Member | syntax.Index):
        holders = _evaluate(syntax.Path(path.span, path.base, path.steps[:-1]), finished)(finished.context)
        key = last.name if isinstance(last, syntax.Member) else _evaluate_key(last, finished)
        if isinstance(holders, ObjectNode | list) and isinstance(key, str):
            nodes = [
                item for item in (holders if isinstance(holders, list) else [holders]) if isinstance(item, ObjectNode)
            ]
            return [node.text_of(key) for node in nodes if node.has(key)]
    value = _evaluate(path, finished)(finished.context)
    if value is NIL:
        return []
    return [_text(item) for item in value] if isinstance(value, list) and is_many(path) else [_text(value)]


def _whole_body(path: syntax.Path, finished: Finished) -> Body | None:
    context = finished.context
    original = context.original
    match [path.base.name if isinstance(path.base, syntax.Name) else "", *map(_step_name, path.steps)]:
        case ["request", "body"]:
            return context.request.body
        case ["original", "request", "body"]:
            return context.original.request.body
        case ["response", "body"] if context.response is not None:
            return context.response.body
        case ["original", "response", "body"] if original.answered:
            return original.response.body
    return None


def _step_name(step: syntax.Step) -> str:
    return step.name if isinstance(step, syntax.Member) else ""


def _text(value: Value) -> bytes:
    return value.to_json() if isinstance(value, Node) else encode(value)


def _evaluate(node: syntax.Expression, finished: Finished) -> Callable[[RunContext], Any]:
    expressions = Expressions(load_vocabulary(), finished.test.parameters)
    try:
        text = expressions.source(node, Scope(finished.constants(), {}, {}))
    except CannotCompile as error:
        raise BadTest(error.node.span, str(error)) from None
    environment = {**ENVIRONMENT, **expressions.constants}
    function: Callable[[RunContext], Any] = eval(f"lambda c: {text}", environment)  # noqa: S307 (made by Expressions)
    return function


def _evaluate_key(step: syntax.Index, finished: Finished) -> Any:
    return _evaluate(step.key, finished)(finished.context)


def _shown(texts: list[bytes]) -> str:
    if not texts:
        return "nil"
    text = b", ".join(texts).decode("utf-8", "replace")
    return text if len(text) <= 80 else f"{text[:80]}… ({len(text)} characters)"
