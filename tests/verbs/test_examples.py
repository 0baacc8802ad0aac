"""The examples in the verbs' own files run: they are what the documentation shows."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from ruleproxy.engine.vocabulary import load_vocabulary
from ruleproxy.language.signatures import Example
from ruleproxy.messages.values import equal
from support.running import request, rules, send, value_of

VERBS = load_vocabulary().verbs
EXAMPLES = [(verb.name, example) for verb in VERBS.values() for example in verb.examples]
# What has no effect that a message could show is tested with the exchange.
WITHOUT_EXAMPLES = {
    "collect_stream",
    "drop",
    "emit",
    "fake_stream",
    "learn",
    "note",
    "repair_stream",
    "respond",
    "retry",
    "stop",
}


@pytest.mark.parametrize(("name", "example"), EXAMPLES, ids=lambda value: value if isinstance(value, str) else "")
def test_example(name: str, example: Example) -> None:
    """A verb does to the message of its example what the example says."""
    ruleset = rules(f'rule "example" on request then\n  {example.rule}\nend\n')
    given: dict[str, Any] = value_of(example.given)
    expected: dict[str, Any] = value_of(example.then)
    headers = [(key.encode(), str(value).encode()) for key, value in given.get("headers", {}).items()]
    sent = send(ruleset, request(given.get("body"), headers=headers))
    if "body" in expected:
        assert equal(orjson.loads(sent.body), expected["body"]), sent.body
    if "headers" in expected:
        found = {key.decode().lower(): value.decode() for key, value in sent.headers}
        assert found == expected["headers"]


def test_every_verb_has_examples() -> None:
    """What is documented is shown."""
    assert {verb.name for verb in VERBS.values() if not verb.examples} == WITHOUT_EXAMPLES
