"""A captured request sent for real, through the rules, as if its client asked once more."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from ruleproxy.captures.assembling import KeptBody, assemble_response
from ruleproxy.captures.capture import Capture, CapturedRequest
from ruleproxy.captures.redaction import mask_capture
from ruleproxy.captures.secret_names import is_secret_header
from ruleproxy.engine.exchange import Exchange
from ruleproxy.messages.headers import HeaderFields
from ruleproxy.messages.journal import Journal
from ruleproxy.messages.message import Headers, Request
from ruleproxy.proxy.forwarding import Forwarder
from ruleproxy.rehearsal.driving import ClientAnswer

_ROOM: Final = 64 * 1024 * 1024
"""Bytes beyond those that came that an answer may inflate to."""

_MASK: Final = re.compile(rb"\*masked-[0-9a-f]{8}\*")


class CollectingAnswer:
    """The client's side of a replay: it keeps what it is given."""

    def __init__(self) -> None:
        self.answer = ClientAnswer(cut=True)

    async def begin(self, status: int, headers: Headers) -> None:
        """Take the head."""
        self.answer.status, self.answer.headers = status, headers

    async def write(self, data: bytes) -> None:
        """Take bytes of the body."""
        self.answer.pieces.append(data)

    async def end(self) -> None:
        """Take the end."""
        self.answer.cut = False


def prepare_request(capture: Capture, headers: Mapping[str, str]) -> Request:
    """The captured request with these headers in place of its own."""
    request = capture.request.to_message()
    fields = HeaderFields(request.headers, Journal())
    for name, value in headers.items():
        fields.write(name, value)
    return Request(request.method, request.raw_path, request.query, fields.lines, request.body)


def find_masks(request: Request) -> Sequence[str]:
    """Where a request still has masks in place of credentials: names of headers, `query`, `body`."""
    places = [name.decode("latin-1") for name, value in request.headers if _MASK.search(value)]
    places += [part for part, text in (("query", request.query), ("body", request.body)) if _MASK.search(text)]
    return [place.lower() if is_secret_header(place) else place for place in places]


def mask_answer(answer: ClientAnswer, request: Request, known: Iterable[bytes]) -> ClientAnswer:
    """The answer to a request as a capture would have it: body readable, credentials masked, `known` ones among them.

    So it can be set beside a recorded one, and shown.
    """
    kept = KeptBody(sum(map(len, answer.pieces)) + _ROOM)
    for piece in answer.pieces:
        kept.add(0, piece)
    path = request.raw_path + (b"?" + request.query if request.query else b"")
    asked = CapturedRequest(request.method, path, request.headers, request.body)
    got = assemble_response(answer.status, answer.headers, kept, cut=answer.cut)
    masked = mask_capture(Capture(asked, response=got), known).response
    assert masked is not None
    message = masked.to_message()
    return ClientAnswer(message.status, message.headers, [message.body], answer.cut, answer.sends)


async def replay(begin: Callable[[Request], Exchange], forwarder: Forwarder, request: Request) -> ClientAnswer:
    """What the client gets. The request goes out over sockets, as often as the rules send it."""
    answer = CollectingAnswer()
    exchange = begin(request)
    await forwarder.forward(exchange, answer)
    answer.answer.sends.extend(exchange.sides.attempts.sends)
    return answer.answer
