"""Running rules written in a test on messages written in a test, on the code that serves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson

from ruleproxy.engine.compiling import evaluate_constant
from ruleproxy.engine.events import Action, Data, End, Event, Head, Send, UpstreamData, UpstreamEnd, UpstreamHead
from ruleproxy.engine.exchange import Exchange
from ruleproxy.engine.loading import Loaded, load_rules
from ruleproxy.engine.ruleset import Ruleset
from ruleproxy.engine.vocabulary import load_vocabulary
from ruleproxy.language.parsing import parse_expression
from ruleproxy.language.reporting import render_all
from ruleproxy.messages.message import Headers, Request
from ruleproxy.messages.upstreams import Upstream

UPSTREAM = "https://upstream.example"


def load_text(text: str, *upstreams: str) -> Loaded:
    """What loading one file with this text gives; `upstreams` are URLs, the first is the default."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "test.rules"
        file.write_text(text, encoding="utf-8")
        return load_rules([file], declared(*upstreams))


def rules(text: str, *upstreams: str) -> Ruleset:
    """The rules of a text that has to be right."""
    loaded = load_text(text, *upstreams)
    assert loaded.ruleset is not None, render_all(loaded.diagnostics)
    return loaded.ruleset


def declared(*urls: str) -> tuple[Upstream, ...]:
    """Upstreams from URLs: the first is `default`, the others `upstream1` and so on."""
    names = ["default", *(f"upstream{index}" for index in range(1, len(urls)))]
    return tuple(Upstream.from_url(name, url) for name, url in zip(names, urls or (UPSTREAM,), strict=False))


def request(
    body: object = None,
    *,
    method: str = "POST",
    path: str = "/v1/messages",
    query: str = "",
    headers: Headers | None = None,
) -> Request:
    """A request; a body that is not bytes is written as compact JSON."""
    data = body if isinstance(body, bytes) else b"" if body is None else orjson.dumps(body)
    return Request(method, path.encode(), query.encode(), headers or [], data)


def begin(ruleset: Ruleset, sent: Request, *upstreams: str) -> tuple[Exchange, Action]:
    """The exchange of a request after its request rules, and its first action."""
    exchange = Exchange(ruleset, sent, declared(*upstreams), detailed=True)
    return exchange, exchange.begin()[0]


def send(ruleset: Ruleset, sent: Request, *upstreams: str) -> Send:
    """What goes to the upstream."""
    action = begin(ruleset, sent, *upstreams)[1]
    assert isinstance(action, Send), action
    return action


def answer(exchange: Exchange, status: int, headers: Headers, *pieces: bytes) -> list[Action]:
    """What the client gets of an upstream's answer."""
    events: list[Event] = [UpstreamHead(status, headers), *map(UpstreamData, pieces), UpstreamEnd()]
    actions: list[Action] = []
    for event in events:
        actions += exchange.receive(event)
        if actions and isinstance(actions[-1], End):
            break
    return actions


def head_of(actions: list[Action]) -> Head:
    """The head among actions."""
    return next(action for action in actions if isinstance(action, Head))


def data_of(actions: Sequence[Action]) -> bytes:
    """The data among actions, joined."""
    return b"".join(action.data for action in actions if isinstance(action, Data))


def whole(status: int, body: object) -> tuple[Event, ...]:
    """The events of a whole JSON answer."""
    headers = [(b"content-type", b"application/json")]
    return (UpstreamHead(status, headers), UpstreamData(orjson.dumps(body)), UpstreamEnd())


def refused(field: str) -> tuple[Event, ...]:
    """The events of an answer that refuses a field by its name."""
    error = {"type": "invalid_request_error", "message": f"{field}: Extra inputs are not permitted"}
    return whole(400, {"type": "error", "error": error})


def value_of(text: str) -> Any:
    """The value of an expression of constants."""
    return evaluate_constant(parse_expression(text), {}, load_vocabulary(), {})
