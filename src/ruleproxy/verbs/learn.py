"""`learn`: make the edits of a rule that retries up front from then on."""

from __future__ import annotations

from ruleproxy.language.signatures import Form, Verb
from ruleproxy.verbs.context import Context


def _learn(context: Context) -> None:
    context.learn()


VERB = Verb(
    name="learn",
    summary="make the edits of this rule up front for later requests, if the request that is sent again succeeds",
    prose="Stands before a `retry`. Once an upstream takes the edited request, the edits that this run of the rule "
    "made become a rule of their own, for that upstream and model: what was captured from the answer stands in it "
    "written out, what the rule asked of the request is its condition. It runs after the rules of the request side "
    "until the rules change or the process ends; where one of those says `stop`, it does not run. The log prints it "
    "once, ready to paste into a file, and `/_ruleproxy/learned` prints all of them. Only edits of the body, the "
    "headers and the query and `fake_stream` are learned; never one that needs a secret, a value of that one request, "
    "or an element of a loop over it, never one of the model, `max_tokens`, a role or the list of messages. What is "
    "not learned is said in the log line and in the trace. A rule in `shadow` learns nothing.",
    forms=(Form("learn", "learn", {}, _learn),),
    sides=("response", "failure"),
    learns=True,
)
