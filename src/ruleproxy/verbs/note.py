"""`note`: say something in log and trace."""

from __future__ import annotations

from ruleproxy.language.signatures import Form, Value, Verb
from ruleproxy.language.types import STRING
from ruleproxy.messages import places, values
from ruleproxy.messages.values import EditRefused
from ruleproxy.verbs.context import Context


def _note(context: Context, message: values.Value) -> None:
    if not isinstance(message, str):
        raise EditRefused(f"note takes a string, this is {places.kind_of(message)}")
    context.note(message)


VERB = Verb(
    name="note",
    summary="say something in the log line and in the trace",
    prose="A note changes nothing.",
    forms=(Form("note", "note TEXT", {"message": Value(STRING)}, _note),),
)
