"""`strip … at`: what a location that an upstream printed may take, and what it never takes."""

from __future__ import annotations

import orjson
import pytest

from support.running import begin, request, rules

BODY = {
    "model": "m",
    "max_tokens": 1,
    "messages": [{"role": "user", "content": [{"type": "text", "text": "a", "extra": 1}]}],
    "tools": [{"name": "a", "eager": True}, {"name": "b", "eager": True}],
}


def strip_at(location: str) -> tuple[str, dict[str, object]]:
    """Verdict of a rule that strips there, and the body that is sent."""
    ruleset = rules(f'edition 1\n\nrule "strips" on request then\n  strip request.body at "{location}"\nend\n')
    exchange, _ = begin(ruleset, request(BODY))
    assert exchange.sent is not None
    return exchange.outcomes["request"][0].verdict, orjson.loads(exchange.sent.body)


def test_every_element_loses_it() -> None:
    """The index names the one that the upstream looked at first; the others have the same."""
    verdict, body = strip_at("tools.0.custom.eager")
    assert verdict == "changed"
    assert body["tools"] == [{"name": "a"}, {"name": "b"}]


@pytest.mark.parametrize(
    "location", ["model", "messages", "max_tokens", "messages.0.role", "messages.0.content", "body.model"]
)
def test_what_no_request_is_without_stays(location: str) -> None:
    """The rule fails by name, and the request is as it was."""
    assert strip_at(location) == ("failed", BODY)


@pytest.mark.parametrize("location", ["messages.0", "tools.0", "absent", "tools.0.absent", ""])
def test_nothing_there_is_nothing_done(location: str) -> None:
    """Whole elements are never taken, and what is absent is no error."""
    assert strip_at(location) == ("matched", BODY)
