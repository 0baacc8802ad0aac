"""`collect_stream`: ask for a stream, answer with a whole message."""

from __future__ import annotations

from ruleproxy.language.signatures import Form, Verb
from ruleproxy.verbs.context import Context


def _collect_stream(context: Context) -> None:
    context.collect_stream()


VERB = Verb(
    name="collect_stream",
    summary="ask the upstream for a stream and give it to the client as the whole answer that it asked for",
    prose="For upstreams that only stream, or that end long requests which do not: those of Anthropic Messages, "
    "Bedrock, Vertex, OpenAI chat completions (asked for their counts too, by `stream_options`) and OpenAI responses. "
    "A client that asks for a stream itself is left alone. Rules of the response side see the whole message; rules of "
    "the event side see nothing of it. A stream that breaks off or tells of an error is a failure, and where no rule "
    "acts on that an error with its own status.",
    forms=(Form("collect_stream", "collect_stream", {}, _collect_stream),),
    sides=("request",),
)
