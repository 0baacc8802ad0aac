"""The SDKs for Node over the real server, in every way a message can come, in their own format and a foreign one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.node_clients import ask_node, node_folder
from support.providers import CONTENT, answer_in_its_format, serve_modes
from support.recording_upstream import RecordingUpstream, recording_upstream
from support.server_process import ServerProcess

PACKS = {"": "", "anthropic": "messages-to-bedrock", "bedrock": "bedrock-to-messages"}


@pytest.fixture(scope="module")
def folder() -> Path:
    return node_folder()


@pytest.fixture(scope="module")
def upstream(folder: Path) -> Iterator[RecordingUpstream]:
    with recording_upstream(answer_in_its_format) as upstream:
        yield upstream


@pytest.fixture(scope="module")
def servers(
    tmp_path_factory: pytest.TempPathFactory, upstream: RecordingUpstream
) -> Iterator[dict[str, ServerProcess]]:
    """One without a pack, and one that converts for each kind of client."""
    with ExitStack() as stack:
        running = {}
        for kind, pack in PACKS.items():
            use = f'use "ruleproxy/{pack}" with {{ url = "{upstream.url}" }}' if pack else ""
            made = tmp_path_factory.mktemp(pack or "modes")
            running[kind] = stack.enter_context(serve_modes(made, upstream.url, use))
        yield running


@pytest.mark.parametrize("way", ["streamed", "whole", "fake", "pings", "collect"])
@pytest.mark.parametrize("converted", [False, True])
@pytest.mark.parametrize("kind", ["anthropic", "bedrock"])
def test_every_client_sees_the_same_message(
    folder: Path, servers: dict[str, ServerProcess], upstream: RecordingUpstream, kind: str, way: str, converted: bool
) -> None:
    """Put together by the SDK's own helper; the upstream was asked once."""
    upstream.requests.clear()
    found = ask_node(folder, kind, servers[kind if converted else ""].url, way, "slowly" if way == "pings" else "hi")
    assert found == {"content": CONTENT, "stop_reason": "tool_use", "usage": [7, 9]}
    assert len(upstream.requests) == 1


@pytest.mark.parametrize("converted", [False, True])
@pytest.mark.parametrize("kind", ["anthropic", "bedrock"])
def test_errors_are_read(folder: Path, servers: dict[str, ServerProcess], kind: str, converted: bool) -> None:
    """With their status; one within a stream that passes as it comes at least with its words."""
    url = servers[kind if converted else ""].url
    for way in ("streamed", "whole", "fake", "collect"):
        found = ask_node(folder, kind, url, way, "fail rate_limit_error")
        assert found["status"] == 429
        assert "told so" in found["error"]
    assert "told so" in ask_node(folder, kind, url, "streamed", "fail rate_limit_error in the stream")["error"]
    collected = ask_node(folder, kind, url, "collect", "fail rate_limit_error in the stream")
    assert collected["status"] == 429


@pytest.mark.parametrize("kind", ["anthropic", "bedrock"])
def test_raw_events(folder: Path, servers: dict[str, ServerProcess], kind: str) -> None:
    """Whoever reads the events themselves gets them all, converted from the other framing."""
    types = ask_node(folder, kind, servers[kind].url, "raw", "hi")["types"]
    assert (types[0], types[-1]) == ("message_start", "message_stop")
    assert types.count("content_block_start") == len(CONTENT)
