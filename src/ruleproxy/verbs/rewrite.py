"""`rewrite`: give a place another value."""

from __future__ import annotations

from collections.abc import Sequence

from ruleproxy.language.signatures import Example, Form, Place, Value, Verb
from ruleproxy.language.types import ANY
from ruleproxy.messages import places, values
from ruleproxy.verbs.context import Context


def _rewrite(context: Context, place: Sequence[places.Place], value: values.Value) -> None:
    if value is values.NIL:
        context.remark("the value is nil: nothing rewritten")
        return
    context.spend(places.steps_to_edit(place))
    for target in place:
        target.write(value)


VERB = Verb(
    name="rewrite",
    summary="give a place another value",
    prose="Missing parents are made inside a body that is there. A value that turns out nil changes nothing. "
    "A list written to a header becomes a comma list. A loop variable as the place replaces that element.",
    forms=(
        Form(
            "rewrite",
            "rewrite PLACE = VALUE",
            {"place": Place("value", creates=True), "value": Value(ANY)},
            _rewrite,
        ),
    ),
    examples=(
        Example(
            'rewrite request.body.model = "corp-sonnet"',
            '{ body = { model = "claude-sonnet-4-6", max_tokens = 16 } }',
            '{ body = { model = "corp-sonnet", max_tokens = 16 } }',
        ),
        Example(
            "rewrite request.body.thinking.budget_tokens = 1024",
            "{ body = { max_tokens = 2048 } }",
            "{ body = { max_tokens = 2048, thinking = { budget_tokens = 1024 } } }",
        ),
        Example(
            'rewrite request.headers["anthropic-beta"] = { "a", "b" }',
            '{ headers = { ["anthropic-beta"] = "c" } }',
            '{ headers = { ["anthropic-beta"] = "a,b" } }',
        ),
    ),
)
