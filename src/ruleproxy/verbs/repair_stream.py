"""`repair_stream`: give the client a stream that conforms to its format."""

from __future__ import annotations

from ruleproxy.language.signatures import Form, Verb
from ruleproxy.verbs.context import Context


def _repair_stream(context: Context) -> None:
    context.repair_stream()


VERB = Verb(
    name="repair_stream",
    summary="make the stream that the upstream answers with conform to its format",
    prose="Names events that have no `event:` line, starts and closes content blocks, moves content out of their "
    "starts and a signature that comes late into its thought, counts indexes anew, adds the usage that clients insist "
    "on, keeps `[DONE]` where it belongs, ends the stream after its end. Events that conform pass as the bytes that "
    "came; rules of the event side see the repaired ones. What was lost is not made up: a stream that breaks off, or "
    "that cannot be read, ends with an error event that says so. A whole answer in place of a stream is made into one, "
    "and an error or a login page that came with a 200 into an error with a status of its own. For Anthropic messages, "
    "also on Bedrock and Vertex, and OpenAI chat completions; a request that asks for no stream is left alone. The log "
    "line and the trace say what was repaired.",
    forms=(Form("repair_stream", "repair_stream", {}, _repair_stream),),
    sides=("request", "response"),
)
