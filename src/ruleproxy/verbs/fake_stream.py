"""`fake_stream`: ask without streaming, answer with a stream."""

from __future__ import annotations

from ruleproxy.language.signatures import Form, Options, Verb
from ruleproxy.language.types import of
from ruleproxy.messages import values
from ruleproxy.messages.values import EditRefused
from ruleproxy.verbs.context import Context


def _fake_stream(context: Context, options: values.Value = None) -> None:
    ping_every = (options or {}).get("ping_every")
    if ping_every is not None and not (isinstance(ping_every, int | float) and ping_every > 0):
        raise EditRefused("ping_every takes a duration above zero, such as 10s")
    context.fake_stream(ping_every)


VERB = Verb(
    name="fake_stream",
    summary="ask the upstream for a whole answer and give it to the client as a stream",
    prose="Takes the request's stream flag (or the streaming suffix of its path) away by itself; a client that asks "
    "for no stream is left alone. The client gets the stream of its own format: events of Anthropic Messages or "
    "Vertex, frames of Bedrock, chunks of OpenAI chat completions, events of OpenAI responses. Nothing is sent while "
    "the upstream works, so its errors arrive with their own status; with `ping_every` the 200 is committed at the "
    "first ping, and a later error arrives as the error event of the client's format. What is sent keeps connections "
    "open and restarts no limit of the client's own: past 300 seconds clients may have given up. On the sides of an "
    "answer it goes with `retry`: the request is sent again without streaming.",
    forms=(
        Form(
            "fake_stream",
            "fake_stream [{ ping_every = DURATION }]",
            {"options": Options({"ping_every": of("duration")})},
            _fake_stream,
        ),
    ),
    sides=("request", "response", "failure"),
    steers=True,
)
