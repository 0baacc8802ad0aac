"""`respond`: answer here."""

from __future__ import annotations

from ruleproxy.language.signatures import Form, Options, Verb
from ruleproxy.language.types import ANY, INT, OBJECT
from ruleproxy.messages import values
from ruleproxy.messages.nodes import plain
from ruleproxy.messages.values import NIL, EditRefused
from ruleproxy.verbs.context import Context


def _respond(context: Context, answer: values.Value) -> None:
    status = answer.get("status", 200)
    if not isinstance(status, int) or isinstance(status, bool) or not 200 <= status <= 599:
        raise EditRefused(f"{status!r} is not a status of a final answer (200 to 599)")
    context.answer(status, plain(answer.get("headers", {})), answer.get("body", NIL))


VERB = Verb(
    name="respond",
    summary="answer the client here; the upstream is not asked",
    prose="A body that is an object or a list is sent as JSON, a string as text. No later rule of this side runs.",
    forms=(
        Form(
            "respond",
            "respond { status = …, headers = …, body = … }",
            {"answer": Options({"status": INT, "headers": OBJECT, "body": ANY})},
            _respond,
        ),
    ),
    sides=("request", "response", "failure"),
    ends=True,
)
