"""The examples in the functions' own files run: they are what the documentation shows."""

from __future__ import annotations

import pytest

from ruleproxy.engine.runtime import equals
from ruleproxy.engine.vocabulary import load_vocabulary
from ruleproxy.language.signatures import FunctionExample
from support.running import value_of

FUNCTIONS = load_vocabulary().functions
EXAMPLES = [example for function in FUNCTIONS.values() for example in function.examples]
# These look at a message or at where rules are loaded, so no constant can show them.
WITHOUT_EXAMPLES = {"error", "previous", "next", "table", "secret"}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.expression)
def test_example(example: FunctionExample) -> None:
    """A function gives for its example what the example says."""
    found = value_of(example.expression)
    assert equals(found, value_of(example.value)), found


def test_every_function_has_examples() -> None:
    """What is documented is shown."""
    assert {name for name, function in FUNCTIONS.items() if not function.examples} == WITHOUT_EXAMPLES
