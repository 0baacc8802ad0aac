"""Exchanges without sockets: the same state machine, fed from a script instead of a network."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import unquote

import orjson

from ruleproxy.engine.events import Cut, Data, End, Event, Head, ReadOn, Send
from ruleproxy.engine.exchange import Exchange
from ruleproxy.messages.message import Headers, Response
from ruleproxy.rehearsal.answers import answer_with, answer_with_stream
from ruleproxy.wire.events import BadStreamError, StreamEvent
from ruleproxy.wire.fake_chat import fake_chat
from ruleproxy.wire.fake_responses import fake_responses
from ruleproxy.wire.fake_stream import fake_stream
from ruleproxy.wire.formats import Api, api_of
from ruleproxy.wire.framing import SERVER_SENT_EVENTS, Framing, claimed_framing, expected_framing

Answering = Callable[[Send], tuple[Event, ...]]
"""What happens when something is sent. Raises `Unanswered`."""


class Unanswered(Exception):
    """The upstream was asked once more than the script has answers for."""


@dataclass(slots=True)
class ClientAnswer:
    """What the client got; `sends` is every request that went upstream. `cut`: the answer broke off."""

    status: int = 0
    headers: Headers = field(default_factory=list)
    pieces: list[bytes] = field(default_factory=list)
    cut: bool = False
    sends: list[Send] = field(default_factory=list)

    @property
    def body(self) -> bytes:
        """The whole of it."""
        return b"".join(self.pieces)

    @property
    def streamed(self) -> bool:
        """Whether it is a stream."""
        return self.framing is not None

    @property
    def framing(self) -> Framing | None:
        """How its events are framed; None for another answer."""
        return claimed_framing(self.headers)

    def events(self) -> list[StreamEvent]:
        """The events of a stream; none for another answer."""
        if self.framing is None:
            return []
        try:
            items = self.framing.decode(self.body)
        except BadStreamError as error:
            items = error.before
        return [item for item in items if isinstance(item, StreamEvent)]


def drive(exchange: Exchange, answers: Sequence[tuple[Event, ...]] | Answering) -> ClientAnswer:
    """Run an exchange to its end; each time it asks, the next of `answers` happens, or what they say to it.

    Without any, every upstream says as little as its format allows. Raises `Unanswered`.
    """
    client = ClientAnswer()
    if not isinstance(answers, Sequence):
        answer = answers
    elif answers:
        answer = _answer_in_order(answers)
    else:
        answer = partial(default_answer, api=api_of(exchange.request.raw_path.decode("latin-1")))
    happening: deque[Event] = deque()
    actions = exchange.begin()
    while True:
        for action in actions:
            match action:
                case Send():
                    client.sends.append(action)
                    happening.clear()
                    happening += answer(action)
                case Head(status, headers):
                    client.status, client.headers = status, headers
                case Data(data):
                    client.pieces.append(data)
                case End():
                    return client
                case Cut():
                    client.cut = True
                    return client
        if exchange.unread:
            actions = exchange.receive(ReadOn())
            continue
        if not happening:
            raise Unanswered("the answer that was given ends before the client's does")
        actions = exchange.receive(happening.popleft())


def _answer_in_order(answers: Sequence[tuple[Event, ...]]) -> Answering:
    left = deque(answers)

    def answer(_: Send) -> tuple[Event, ...]:
        if not left:
            raise Unanswered("the upstream is asked more often than answers are given")
        return left.popleft()

    return answer


def default_answer(send: Send, api: Api) -> tuple[Event, ...]:
    """The least that an upstream can say with a 200: an empty message, as a stream where one was asked for.

    In the format of the path that is asked; where that is of no known format, in the client's (`api`).
    """
    path = unquote(send.target.partition(b"?")[0].decode("latin-1"))
    api = api if api_of(path) == "unknown" else api_of(path)
    model, streams = _asked_for(send.body)
    framing = expected_framing(path) or SERVER_SENT_EVENTS
    body = orjson.dumps(_empty_answer(api, model))
    if framing is SERVER_SENT_EVENTS and not streams:
        return answer_with(Response(200, [(b"content-type", b"application/json")], body))
    match api:
        case "anthropic.messages" | "bedrock.invoke" | "vertex.rawpredict":
            return answer_with_stream(map(framing.encode, fake_stream(body, model=model)), framing=framing)
        case "openai.chat":
            return answer_with_stream(map(framing.encode, fake_chat(body, model=model)))
        case "openai.responses":
            return answer_with_stream(map(framing.encode, fake_responses(body, model=model)))
        case _:
            return answer_with(Response(200, [(b"content-type", b"application/json")], body))


def _asked_for(body: bytes) -> tuple[str, bool]:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return "", False
    if not isinstance(document, dict):
        return "", False
    model = document.get("model")
    return model if isinstance(model, str) else "", document.get("stream") is True


def _empty_answer(api: Api, model: str) -> dict[str, object]:
    match api:
        case "anthropic.messages" | "bedrock.invoke" | "vertex.rawpredict":
            return {
                "id": "msg_0",
                "type": "message",
                "role": "assistant",
                "model": model,
                "content": [],
                "stop_reason": "end_turn",
                "stop_sequence": None,
                "usage": {"input_tokens": 0, "output_tokens": 0},
            }
        case "anthropic.count_tokens":
            return {"input_tokens": 0}
        case "openai.chat":
            return {"id": "chatcmpl-0", "object": "chat.completion", "model": model, "choices": []}
        case "openai.responses":
            return {"id": "resp_0", "object": "response", "model": model, "status": "completed", "output": []}
        case "unknown":
            return {}
