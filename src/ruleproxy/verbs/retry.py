"""`retry`: send the request again."""

from __future__ import annotations

from ruleproxy.language.signatures import Form, Verb
from ruleproxy.verbs.context import Context


def _retry(context: Context) -> None:
    context.retry()


VERB = Verb(
    name="retry",
    summary="send the request again as it is now, in place of the answer that came",
    prose="A rule that retries may edit `request` and `upstream` on the sides of the answer. Rules of the request side "
    "do not run again. The request is sent only if it differs from every attempt so far and nothing has reached the "
    "client, three times at most; else all that the rule did is undone, and the trace says why. The answer says how "
    "often it was asked for anew in its header `x-ruleproxy-retries`.",
    forms=(Form("retry", "retry", {}, _retry),),
    sides=("response", "failure"),
    ends=True,
    retries=True,
)
