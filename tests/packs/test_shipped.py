"""The shipped packs pass their own tests, and an edit by them is done: a second time nothing changes."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import pytest

from ruleproxy.engine.exchange import Exchange
from ruleproxy.engine.loading import load_rules
from ruleproxy.engine.ruleset import Ruleset
from ruleproxy.language.diagnostics import Severity
from ruleproxy.messages.message import Request
from ruleproxy.rehearsal.testing import run_test
from ruleproxy.resources import packs_folder
from support.bodies import Thinking, claude_code_body, claude_code_headers, encode_body, long_session_body
from support.running import declared

PACKS = sorted(file.parent for file in packs_folder().glob("*/pack.toml"))
STRICT = """edition 1

use "ruleproxy/strict-apim" with {
  url = "https://upstream.example/exact",
  inject = { prompt_text = "proxy bypass" },
}
"""


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Ruleset:
    file = tmp_path_factory.mktemp("strict") / "1.rules"
    file.write_text(STRICT)
    loaded = load_rules([file], declared())
    assert loaded.ruleset is not None
    return loaded.ruleset


def run(ruleset: Ruleset, body: bytes, *, detailed: bool = False) -> Exchange:
    """The exchange of a body after its request rules."""
    headers = [(name.encode(), value.encode()) for name, value in claude_code_headers()]
    sent = Request("POST", b"/v1/messages", b"beta=true", headers, body)
    exchange = Exchange(ruleset, sent, declared(), detailed=detailed)
    exchange.begin()
    assert "failed" not in {outcome.verdict for outcome in exchange.outcomes["request"]}
    return exchange


def sent(ruleset: Ruleset, body: bytes) -> bytes:
    exchange = run(ruleset, body)
    assert exchange.sent is not None
    return exchange.sent.body


@pytest.mark.parametrize("pack", PACKS, ids=lambda pack: pack.name)
def test_its_own_tests_pass(pack: Path) -> None:
    """Every pack has some, and they expect something."""
    loaded = load_rules([pack], None, None)
    assert loaded.ruleset is not None
    assert not [found for found in loaded.diagnostics if found.severity is not Severity.NOTE]
    assert loaded.ruleset.tests
    for test in loaded.ruleset.tests:
        result = run_test(test, loaded.ruleset)
        assert result.passed, f"{result.file}:{result.line}: {result.problem or result.missed}"


@pytest.mark.parametrize("thinking", get_args(Thinking))
@pytest.mark.parametrize("roles", ["us", "us tr au", "us t s r", "u s s a a u", "us a s a u"])
def test_a_second_time_nothing_changes(strict: Ruleset, roles: str, thinking: Thinking) -> None:
    """What the gateway is sent is what the rules want: run on it again they leave every byte."""
    once = sent(strict, encode_body(claude_code_body(roles, thinking=thinking, extra_marks=3)))
    assert sent(strict, once) == once


@pytest.mark.parametrize(
    ("turns", "thinking"),
    [
        (["us", "us au", "us au us", "us au us tr"], "told"),
        (["us", "us tr", "us tr s tr", "us tr s tr s a u"], "empty_unsigned"),
        (["us tr", "us trs a us", "us trs a us a s a u"], "empty_signed"),
    ],
)
def test_later_turns_begin_as_earlier_ones_did(strict: Ruleset, turns: list[str], thinking: Thinking) -> None:
    """The provider's prompt cache lives off it: what was sent once is sent again, but for the newest mark."""

    def messages(roles: str) -> list[dict[str, Any]]:
        body = json.loads(sent(strict, encode_body(claude_code_body(roles, thinking=thinking))))
        for message in body["messages"]:
            for block in message["content"]:
                block.pop("cache_control", None)
        found: list[dict[str, Any]] = body["messages"]
        return found

    made = [messages(roles) for roles in turns]
    for earlier, later in pairwise(made):
        assert later[: len(earlier) - 1] == earlier[:-1]
        # The last turn may grow, by a reminder that came after it.
        assert later[len(earlier) - 1]["content"][: len(earlier[-1]["content"])] == earlier[-1]["content"]


@pytest.mark.parametrize("typical", [True, False])
def test_a_long_session(strict: Ruleset, typical: bool) -> None:
    """Most of its bytes are the client's own."""
    body = encode_body(long_session_body(typical=typical))
    exchange = run(strict, body, detailed=True)
    assert exchange.sent is not None
    assert exchange.reused is not None
    assert exchange.reused > (0.99 if typical else 0.6) * len(exchange.sent.body)
