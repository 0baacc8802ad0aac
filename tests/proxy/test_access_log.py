"""The line that each request leaves: readable, without credentials, and not to be forged by a client."""

from __future__ import annotations

import orjson
import pytest

from ruleproxy.proxy.access_log import Entry, mask_query, render_json, render_text
from support.raw_client import RawClient
from support.recording_upstream import RecordingUpstream
from support.server_process import ServerProcess, server_process

ENTRY = Entry(
    "POST", b"/v1/messages", b"beta=true&key=s3cret", 200, 0.0123, 1.5, 87, ("a/inject", "b"), b"abc-1", "cut"
)


def test_a_line_says_what_people_ask() -> None:
    """Time, request, status, times, size, rules, session, and what went wrong."""
    assert render_text("WHEN", ENTRY) == (
        "WHEN POST /v1/messages?beta=true&key=*** 200 first=12.3ms end=1500.0ms bytes=87"
        " rules=a/inject,b session=abc-1 (cut)\n"
    )


def test_a_line_of_json_says_the_same() -> None:
    """One object, times in milliseconds."""
    assert orjson.loads(render_json("WHEN", ENTRY)) == {
        "time": "WHEN",
        "method": "POST",
        "path": "/v1/messages?beta=true&key=***",
        "status": 200,
        "first_ms": 12.3,
        "end_ms": 1500.0,
        "bytes": 87,
        "rules": ["a/inject", "b"],
        "session": "abc-1",
        "note": "cut",
    }


def test_what_is_not_known_is_left_out() -> None:
    """No rules, no session, no head."""
    entry = Entry("GET", b"/", b"", 499, None, 0.001, 0)
    assert render_text("WHEN", entry) == "WHEN GET / 499 first=- end=1.0ms bytes=0\n"
    assert orjson.loads(render_json("WHEN", entry))["first_ms"] is None


@pytest.mark.parametrize(
    "query",
    [
        b"key=s3cret",
        b"api_key=s3cret",
        b"API-Key=s3cret",
        b"token=s3cret",
        b"access_token=s3cret",
        b"subscription-key=s3cret",
        b"Ocp-Apim-Subscription-Key=s3cret",
        b"X-Amz-Signature=s3cret",
        b"X-Amz-Credential=s3cret",
        b"sig=s3cret",
        b"client_secret=s3cret",
        b"password=s3cret",
        b"%6Bey=s3cret",
        b"a=b&key=s3cret=s3cret&c",
        b"s3cret-without-a-name-is-a-value",
    ],
)
def test_credentials_in_a_query_are_masked(query: bytes) -> None:
    """By the sound of their names, however these are spelled or encoded."""
    assert b"s3cret" not in mask_query(query)
    assert b"***" in mask_query(query)


def test_other_parameters_are_shown() -> None:
    """What helps to find a request stays."""
    assert mask_query(b"beta=true&limit=1000&type=SYSTEM_DEFINED") == b"beta=true&limit=1000&type=SYSTEM_DEFINED"


def test_a_client_cannot_write_lines_or_colours() -> None:
    """Control bytes, spaces and what is not ASCII are escaped; a long session is cut."""
    entry = Entry("GET", b"/a\x1b[31m\n b\xe4", b"", 200, 0.0, 0.0, 0, (), b"x\x1by z" + b"s" * 500)
    line = render_text("WHEN", entry)
    assert line.startswith("WHEN GET /a\\x1b[31m\\x0a\\x20b\\xe4 200")
    assert line.count("\n") == 1
    assert "session=x\\x1by\\x20zs" in line
    assert len(line) < 300


def test_a_request_leaves_one_line(server: ServerProcess, client: RawClient, upstream: RecordingUpstream) -> None:
    """With its session, and never with a header's credential or a body."""
    client.ask(
        b"/one/line?api_key=s3cret",
        b'{"a":"s3cret"}',
        headers=[b"X-Claude-Code-Session-Id: 12-ab\x1b", b"Authorization: Bearer s3cret", b"x-api-key: s3cret"],
    )
    server.wait_for_log(
        rb"\n\S+Z POST /one/line\?api_key=\*\*\* 200 first=\S+ms end=\S+ms bytes=2 session=12-ab\\x1b\n"
    )
    assert b"s3cret" not in server.log
    assert server.log.count(b"/one/line") == 1


def test_the_log_may_be_json(tmp_path_factory: pytest.TempPathFactory, upstream: RecordingUpstream) -> None:
    """`--log-format json`: each request is an object on its line."""
    with (
        server_process(tmp_path_factory.mktemp("json"), upstream.url, "--log-format", "json") as server,
        RawClient(server.port) as client,
    ):
        client.ask(b"/as/json")
        line = server.wait_for_log(rb"\n(\{.*/as/json.*\})\n")[1]
    assert orjson.loads(line)["status"] == 200


def test_the_last_lines_are_not_lost(tmp_path_factory: pytest.TempPathFactory, upstream: RecordingUpstream) -> None:
    """What waits to be written is written when the server stops."""
    with server_process(tmp_path_factory.mktemp("last"), upstream.url) as server:
        with RawClient(server.port) as client:
            client.ask(b"/last")
        server.process.terminate()
        assert server.process.wait(10) == 0
        assert b"/last" in server.log


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_keys_by_their_looks(log_format: str) -> None:
    """A key in a path, escaped or not, under a harmless name of the query, or as a session, is in no line."""
    key = b"Pl4nt3dS3cretOfTwentyEight00"
    render = render_text if log_format == "text" else render_json
    for path, query, session in (
        (b"/hook/sk-ant-api03-" + key, b"", b""),
        (b"/hook/sk%2Dant%2Dapi03%2D" + key, b"", b""),
        (b"http://me:" + key + b"@h.example/x", b"", b""),
        (b"me:" + key + b"@h.example:443", b"", b""),
        (b"/x", b"plain=sk-ant-api03-" + key, b""),
        (b"/x", b"next=https%3A%2F%2Fx%3Ftoken%3D" + key, b""),
        (b"/x", b"Pl4nt3dS3cret", b""),
        (b"/x", b"", b"sk-ant-api03-" + key),
    ):
        line = render("now", Entry("GET", path, query, 200, None, 0.0, 0, session=session))
        assert "Pl4nt3d" not in line, line
    quiet = render(
        "now",
        Entry("GET", b"/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/invoke", b"beta=true", 200, None, 0.0, 0),
    )
    assert "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/invoke?beta=true" in quiet
