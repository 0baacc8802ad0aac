"""The streams that whole answers make, byte for byte as they lie in files: one for each client's format."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ruleproxy.wire.fake_chat import fake_chat
from ruleproxy.wire.fake_responses import fake_responses
from ruleproxy.wire.fake_stream import fake_stream
from ruleproxy.wire.framing import AWS_EVENT_STREAM, SERVER_SENT_EVENTS
from support.golden import ACCEPT
from support.streams import encode_all

FOLDER = Path(__file__).parent / "golden"


def compare(made: bytes, name: str) -> None:
    """What was made against the file of this name."""
    file = FOLDER / name
    if os.environ.get(ACCEPT):
        file.write_bytes(made)
    assert made == file.read_bytes()


@pytest.mark.parametrize("name", ["text-and-tool", "nothing"])
def test_the_streams_of_a_message(name: str) -> None:
    """Server-sent events for Anthropic and Vertex clients, frames for Bedrock's."""
    events = fake_stream((FOLDER / f"{name}.json").read_bytes(), model="asked", delta_size=16)
    compare(encode_all(SERVER_SENT_EVENTS, events), f"{name}.events")
    compare(encode_all(AWS_EVENT_STREAM, events), f"{name}.frames")


@pytest.mark.parametrize("name", ["chat", "chat-tools"])
@pytest.mark.parametrize("counts", [True, False])
def test_the_stream_of_a_chat_completion(name: str, counts: bool) -> None:
    """With its counts in a chunk of their own where the client asked for them."""
    events = fake_chat((FOLDER / f"{name}.json").read_bytes(), counts=counts, delta_size=8)
    compare(encode_all(SERVER_SENT_EVENTS, events), f"{name}{'-counts' if counts else ''}.events")


def test_the_stream_of_a_response() -> None:
    """Every kind of item, and the counts where the whole is told once more."""
    events = fake_responses((FOLDER / "response.json").read_bytes(), delta_size=8)
    compare(encode_all(SERVER_SENT_EVENTS, events), "response.events")
