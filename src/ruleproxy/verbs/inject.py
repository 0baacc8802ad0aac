"""`inject`: merge an object into one that is there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ruleproxy.language.signatures import Example, Form, Place, Value, Verb
from ruleproxy.language.syntax import Action, Literal, Table
from ruleproxy.language.types import OBJECT
from ruleproxy.messages import places, values
from ruleproxy.messages.nodes import ObjectNode, plain
from ruleproxy.messages.values import NIL, EditRefused
from ruleproxy.verbs.context import Context


def _inject(context: Context, object: values.Value, place: Sequence[places.Place]) -> None:  # noqa: A002
    _merge_into(context, plain(object), place, replace=True)


def _inject_default(context: Context, object: values.Value, place: Sequence[places.Place]) -> None:  # noqa: A002
    _merge_into(context, plain(object), place, replace=False)


def _merge_into(context: Context, value: values.Value, place: Sequence[places.Place], *, replace: bool) -> None:
    if not isinstance(value, dict):
        raise EditRefused(f"inject takes an object, this is {places.kind_of(value)}")
    for target in place:
        context.spend(1 + len(value))
        if isinstance(target, places.BodyPlace) and target.body.lacks(value):
            for name, item in value.items():
                target.body.append(name, item)
            continue
        there = target.read()
        if isinstance(target, places.HeadersPlace | places.QueryFieldsPlace):
            target.merge(value, replace=replace)
        elif isinstance(there, ObjectNode):
            _merge(there, value, replace=replace)
        elif there is NIL:
            if isinstance(target, places.BodyPlace):
                context.remark("there is no JSON body to inject into")
            else:
                target.write(value)
        elif replace or not isinstance(target, places.MemberPlace):
            raise EditRefused(f"cannot inject into {places.kind_of(there)}")


def _merge(node: ObjectNode, value: dict[str, values.Value], *, replace: bool) -> None:
    for name, item in value.items():
        there = node.get(name)
        if isinstance(item, dict) and isinstance(there, ObjectNode):
            _merge(there, item, replace=replace)
        elif replace or there is NIL:
            node.put(name, item)


def _looks(action: Action) -> Iterator[str]:
    table = action.arguments["object"]
    if isinstance(table, Table):
        for entry in table.fields:
            if isinstance(entry.key, Literal) and isinstance(entry.key.value, str) and entry.key.value.isidentifier():
                yield f".{entry.key.value}"


VERB = Verb(
    name="inject",
    summary="merge an object into one that is there",
    prose="Objects merge, at any depth; everything else is replaced. New keys come after the ones that are there, so "
    "what stands before them keeps its place. With `default` only what is absent is written. null is a value, not a "
    "deletion.",
    forms=(
        Form(
            "inject",
            "inject OBJECT into PLACE",
            {"object": Value(OBJECT), "place": Place("object", creates=True)},
            _inject,
            looks=_looks,
        ),
        Form(
            "inject_default",
            "inject default OBJECT into PLACE",
            {"object": Value(OBJECT), "place": Place("object", creates=True)},
            _inject_default,
            looks=_looks,
        ),
    ),
    examples=(
        Example(
            'inject { prompt_text = "proxy bypass", gateway = { cost_center = "cc-4711" } } into request.body',
            '{ body = { model = "m", gateway = { region = "eu" } } }',
            '{ body = { model = "m", prompt_text = "proxy bypass", '
            'gateway = { region = "eu", cost_center = "cc-4711" } } }',
        ),
        Example(
            "inject default { max_tokens = 8192 } into request.body",
            "{ body = { max_tokens = 16 } }",
            "{ body = { max_tokens = 16 } }",
        ),
    ),
)
