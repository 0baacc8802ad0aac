"""Every client that rules are written for, with its real SDK over the real server, in every way a message can come."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest

from support.providers import COMPLETION, CONTENT, answer_in_its_format, serve_modes
from support.recording_upstream import ReceivedRequest, RecordingUpstream, recording_upstream
from support.sdk_clients import BEDROCK_MODEL, CLIENTS, make_boto
from support.server_process import ServerProcess

PACKS = {
    "messages-to-bedrock": "",
    "bedrock-to-messages": 'key = "k-1", ',
    "messages-to-vertex": 'project = "p-1", location = "europe-west1", ',
    "vertex-to-messages": "",
}
CALLS = [("call_1", "Read", '{"path": "/café"}')]
WAYS = ("streamed", "whole", "fake", "pings", "collect")


@pytest.fixture(scope="module")
def upstream() -> Iterator[RecordingUpstream]:
    with recording_upstream(answer_in_its_format) as upstream:
        yield upstream


@pytest.fixture(scope="module")
def servers(
    tmp_path_factory: pytest.TempPathFactory, upstream: RecordingUpstream
) -> Iterator[dict[str, ServerProcess]]:
    """One with nothing but the modes, and one for each pack that converts."""
    with ExitStack() as stack:
        running = {"modes": stack.enter_context(serve_modes(tmp_path_factory.mktemp("modes"), upstream.url))}
        for pack, more in PACKS.items():
            use = f'use "ruleproxy/{pack}" with {{ {more}url = "{upstream.url}" }}'
            running[pack] = stack.enter_context(serve_modes(tmp_path_factory.mktemp(pack), upstream.url, use))
        yield running


def expected(client: str) -> dict[str, Any]:
    """What every client has to make of the upstream's answer."""
    if client == "openai":
        message = COMPLETION["choices"][0]["message"]
        calls = [(c["id"], c["function"]["name"], c["function"]["arguments"]) for c in message["tool_calls"]]
        return {"content": [message["content"], calls], "stop_reason": "tool_calls", "usage": (7, 9)}
    if client == "openai responses":
        return {"content": ["héllo 😀", CALLS], "stop_reason": "completed", "usage": (7, 9)}
    return {"content": CONTENT, "stop_reason": "tool_use", "usage": (7, 9)}


def ask(server: ServerProcess, upstream: RecordingUpstream, client: str, way: str, text: str = "hi") -> ReceivedRequest:
    """Ask in a way, hold the answer against what is expected, and give what the upstream was asked (once)."""
    upstream.requests.clear()
    stream = way in ("streamed", "fake", "pings")
    assert CLIENTS[client](server.url, {"x-mode": way}, text, stream) == expected(client)
    (asked,) = upstream.requests
    return asked


def streams(asked: ReceivedRequest) -> bool:
    """Whether the upstream was asked for a stream."""
    path = asked.request_line.split(b" ")[1].partition(b"?")[0]
    return path.endswith((b"-response-stream", b":streamRawPredict")) or json.loads(asked.body).get("stream") is True


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("client", CLIENTS)
def test_every_client_sees_the_same_message(
    servers: dict[str, ServerProcess], upstream: RecordingUpstream, client: str, way: str
) -> None:
    """Streamed, whole, faked and collected; the upstream is asked once, and for the other kind where that is said."""
    asked = ask(servers["modes"], upstream, client, way)
    assert streams(asked) == (way in ("streamed", "collect"))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("client", "pack", "path"),
    [
        ("anthropic", "messages-to-bedrock", b"/model/claude-opus-4-8/invoke"),
        (
            "anthropic",
            "messages-to-vertex",
            b"/projects/p-1/locations/europe-west1/publishers/anthropic/models/claude-opus-4-8:",
        ),
        ("anthropic bedrock", "bedrock-to-messages", b"/v1/messages"),
        ("boto3", "bedrock-to-messages", b"/v1/messages"),
        ("anthropic vertex", "vertex-to-messages", b"/v1/messages"),
    ],
)
def test_and_through_an_upstream_of_another_format(
    servers: dict[str, ServerProcess], upstream: RecordingUpstream, client: str, pack: str, path: bytes, way: str
) -> None:
    """The packs change the request, the engine the framing."""
    asked = ask(servers[pack], upstream, client, way)
    assert asked.request_line.split(b" ")[1].startswith(path)
    assert streams(asked) == (way in ("streamed", "collect"))


@pytest.mark.parametrize(
    ("client", "server"), [*((client, "modes") for client in CLIENTS), ("boto3", "bedrock-to-messages")]
)
def test_what_keeps_a_connection_alive_is_nothing_to_any_client(
    servers: dict[str, ServerProcess], upstream: RecordingUpstream, client: str, server: str
) -> None:
    """It goes out while the upstream takes its time, and every SDK passes over it. A slow upstream is asked once."""
    ask(servers[server], upstream, client, "pings", "slowly")


ERRORS = [
    ("rate_limit_error", 429),
    ("invalid_request_error", 400),
    ("permission_error", 403),
    ("api_error", 500),
]


@pytest.mark.parametrize(("kind", "status"), ERRORS)
@pytest.mark.parametrize(
    ("client", "server"),
    [
        *((client, "modes") for client in CLIENTS),
        ("anthropic", "messages-to-bedrock"),
        ("anthropic", "messages-to-vertex"),
        ("anthropic bedrock", "bedrock-to-messages"),
        ("boto3", "bedrock-to-messages"),
        ("anthropic vertex", "vertex-to-messages"),
    ],
)
@pytest.mark.parametrize("way", ["streamed", "whole", "fake", "collect"])
def test_an_error_is_one_to_every_client(
    servers: dict[str, ServerProcess], client: str, server: str, kind: str, status: int, way: str
) -> None:
    """Its status, and what it says."""
    with pytest.raises(Exception, match="told so") as caught:
        CLIENTS[client](servers[server].url, {"x-mode": way}, f"fail {kind}", way in ("streamed", "fake"))
    error: Any = caught.value
    if client == "boto3":
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == status
    else:
        assert error.status_code == status


@pytest.mark.parametrize("client", CLIENTS)
def test_an_error_within_a_stream_is_one_to_every_client(servers: dict[str, ServerProcess], client: str) -> None:
    """As its first event, after the 200."""
    with pytest.raises(Exception, match="told so"):
        CLIENTS[client](servers["modes"].url, {}, "fail rate_limit_error in the stream", True)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_collected_stream_that_fails_is_an_error_with_its_own_status(
    servers: dict[str, ServerProcess], client: str
) -> None:
    """The 200 that the upstream sent does not get to the client."""
    with pytest.raises(Exception, match="told so") as caught:
        CLIENTS[client](servers["modes"].url, {"x-mode": "collect"}, "fail rate_limit_error in the stream", False)
    error: Any = caught.value
    if client == "boto3":
        assert error.response["Error"]["Code"] == "ThrottlingException"
    else:
        assert error.status_code == 429


@pytest.mark.parametrize(("client", "status"), [("anthropic", 529), ("anthropic bedrock", 503), ("boto3", 503)])
def test_an_error_that_is_made_here_has_a_status_that_the_client_knows(
    servers: dict[str, ServerProcess], client: str, status: int
) -> None:
    """AWS's clients know no 529, and would not ask again."""
    with pytest.raises(Exception, match="told so") as caught:
        CLIENTS[client](servers["modes"].url, {"x-mode": "collect"}, "fail overloaded_error in the stream", False)
    error: Any = caught.value
    told = error.response["ResponseMetadata"]["HTTPStatusCode"] if client == "boto3" else error.status_code
    assert told == status


@pytest.mark.parametrize(
    ("client", "pack"),
    [
        ("anthropic", "messages-to-bedrock"),
        ("anthropic bedrock", "bedrock-to-messages"),
        ("boto3", "bedrock-to-messages"),
    ],
)
def test_a_converted_stream_that_begins_with_an_error_has_a_status(
    servers: dict[str, ServerProcess], client: str, pack: str
) -> None:
    """The packs make a status of it, which clients ask again for."""
    with pytest.raises(Exception, match="told so") as caught:
        CLIENTS[client](servers[pack].url, {}, "fail rate_limit_error in the stream", True)
    error: Any = caught.value
    status = error.response["ResponseMetadata"]["HTTPStatusCode"] if client == "boto3" else error.status_code
    assert status == 429


@pytest.mark.parametrize(
    ("client", "pack", "kind", "status"),
    [
        ("anthropic", "messages-to-bedrock", "overloaded_error", 529),
        ("anthropic", "messages-to-bedrock", "authentication_error", 401),
        ("anthropic bedrock", "bedrock-to-messages", "overloaded_error", 503),
        ("anthropic bedrock", "bedrock-to-messages", "authentication_error", 403),
        ("boto3", "bedrock-to-messages", "overloaded_error", 503),
        ("boto3", "bedrock-to-messages", "authentication_error", 403),
    ],
)
@pytest.mark.parametrize("where", ["", " in the stream"])
def test_an_error_has_the_status_of_the_format_that_the_client_speaks(
    servers: dict[str, ServerProcess], client: str, pack: str, kind: str, status: int, where: str
) -> None:
    """Whether it comes as an answer or as a stream's first event: SDKs choose their exception by the status."""
    if pack == "messages-to-bedrock" and where and kind == "authentication_error":
        pytest.skip("no exception of Bedrock's streams says so")
    with pytest.raises(Exception, match="told so") as caught:
        CLIENTS[client](servers[pack].url, {}, f"fail {kind}{where}", True)
    error: Any = caught.value
    told = error.response["ResponseMetadata"]["HTTPStatusCode"] if client == "boto3" else error.status_code
    assert told == status


@pytest.mark.parametrize(("way", "server"), [("fake", "modes"), ("streamed", "bedrock-to-messages")])
def test_a_stream_that_is_made_for_boto_has_what_its_model_requires(
    servers: dict[str, ServerProcess], way: str, server: str
) -> None:
    """`contentType` from a header that only Bedrock sends, and metrics at its end, by which langchain-aws counts."""
    body = json.dumps({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 16, "messages": []})
    with closing(make_boto(servers[server].url, {"x-mode": way})) as client:
        given = client.invoke_model_with_response_stream(modelId=BEDROCK_MODEL, body=body)
        *_, last = [json.loads(part["chunk"]["bytes"]) for part in given["body"]]
    assert given["contentType"] == "application/json"
    assert last["amazon-bedrock-invocationMetrics"] == {"inputTokenCount": 7, "outputTokenCount": 9}


@pytest.mark.parametrize(("way", "server"), [("collect", "modes"), ("whole", "bedrock-to-messages")])
def test_a_whole_answer_that_is_made_for_boto_has_its_counts_in_headers(
    servers: dict[str, ServerProcess], way: str, server: str
) -> None:
    """langchain-aws counts by nothing else."""
    body = json.dumps({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 16, "messages": []})
    with closing(make_boto(servers[server].url, {"x-mode": way})) as client:
        given = client.invoke_model(modelId=BEDROCK_MODEL, body=body)
    headers = given["ResponseMetadata"]["HTTPHeaders"]
    counts = [headers[f"x-amzn-bedrock-{side}-token-count"] for side in ("input", "output")]
    assert counts == ["7", "9"]
