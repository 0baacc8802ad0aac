"""`stop`: no later rule of this side."""

from __future__ import annotations

from ruleproxy.language.signatures import Form, Verb
from ruleproxy.verbs.context import Context


def _stop(context: Context) -> None:
    context.stop()


VERB = Verb(
    name="stop",
    summary="let no later rule of this side act on this message",
    prose="The edits of this rule and of the rules before it stand.",
    forms=(Form("stop", "stop", {}, _stop),),
    ends=True,
)
