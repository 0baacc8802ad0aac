"""`ruleproxy replay` as users run it: captured requests over real sockets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ruleproxy.wire.fake_stream import fake_stream
from ruleproxy.wire.framing import AWS_EVENT_STREAM
from support.events import spell
from support.golden import run_ruleproxy
from support.recording_upstream import Close, ReceivedRequest, RecordingUpstream, Script, recording_upstream

KEY = "corp-r3play-k3y-0123456789"
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [{"type": "text", "text": "Friday."}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 1, "output_tokens": 2},
}
RULES = """\
rule "the gateway's path" on request then
  rewrite request.path = "/gateway" .. request.path
end
"""


def capture(response: dict[str, Any] | None, *, stream: bool = False) -> dict[str, Any]:
    headers = [["content-type", "application/json"], ["x-api-key", "*masked-d41e7004*"]]
    body = {"model": "m", "stream": stream, "messages": []}
    request = {"method": "POST", "path": "/v1/messages?beta=true", "headers": headers, "body": body}
    return {"version": 1, "request": request} | ({} if response is None else {"response": response})


def whole(body: Any, status: int = 200) -> bytes:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
    return head.encode() + data


@pytest.fixture
def upstream() -> Iterator[RecordingUpstream]:
    def answer(request: ReceivedRequest) -> Script:
        asked = json.loads(request.body)
        if b"invoke-with-response-stream" in request.request_line:
            made = fake_stream(json.dumps(MESSAGE | {"id": "msg_2"}).encode(), model="m")
            data = b"".join(map(AWS_EVENT_STREAM.encode, made))
            head = b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.amazon.eventstream\r\n\r\n"
            return (head + data, Close())
        if asked["stream"]:
            data = b"".join(spell(fake_stream(json.dumps(MESSAGE | {"id": "msg_2"}).encode(), model="m")))
            return (b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + data, Close())
        return (whole(MESSAGE | {"id": "msg_2", "content": [{"type": "text", "text": "Saturday, I think."}]}),)

    with recording_upstream(answer) as running:
        yield running


def write(folder: Path, name: str, value: object) -> None:
    (folder / "rules").mkdir(exist_ok=True)
    (folder / "rules" / "10.rules").write_text(RULES)
    (folder / name).write_text(json.dumps(value))


def test_it_goes_through_the_rules_to_the_upstream(tmp_path: Path, upstream: RecordingUpstream) -> None:
    """The request arrives as the rules make it, with the header from the environment; other words are no difference."""
    response = {"status": 200, "headers": [["content-type", "application/json"]], "body": MESSAGE}
    write(tmp_path, "one.json", capture(response))
    done = run_ruleproxy(
        tmp_path, "replay", "one.json", "--upstream", upstream.url, "--header", "x-api-key: ${GATEWAY_KEY}",
        GATEWAY_KEY=KEY,
    )  # fmt: skip
    assert done.stdout.splitlines() == [
        "one.json  POST /v1/messages  200, as recorded",
        "1 capture replayed: none answered otherwise than recorded",
    ]
    assert (done.returncode, done.stderr) == (0, "")
    (received,) = upstream.requests
    assert received.request_line == b"POST /gateway/v1/messages?beta=true HTTP/1.1"
    assert received.values(b"x-api-key") == [KEY.encode()]
    exact = run_ruleproxy(
        tmp_path, "replay", "one.json", "--upstream", upstream.url, "--exact", "--header", f"x-api-key:{KEY}"
    )
    assert exact.returncode == 1
    assert '~ /id              "msg_1" -> "msg_2"' in exact.stdout


def test_another_shape_is_a_difference(tmp_path: Path, upstream: RecordingUpstream) -> None:
    """Status, members and their types are told; masks that go out are, too."""
    recorded = MESSAGE | {"container": {"id": "c"}, "stop_reason": "max_tokens", "usage": {"input_tokens": "1"}}
    write(tmp_path, "one.json", capture({"status": 201, "headers": [], "body": recorded}))
    done = run_ruleproxy(tmp_path, "replay", "one.json", "--upstream", upstream.url)
    assert done.returncode == 1
    assert done.stderr == "ruleproxy: masked, and sent so: x-api-key (--header gives what the upstream wants)\n"
    assert (
        done.stdout.splitlines()
        == [
            "one.json  POST /v1/messages  200",
            "~ status               201 -> 200",
            '~ /stop_reason         "max_tokens" -> "end_turn"',
            "~ /usage/input_tokens  text -> number",
            "- /container           object",
            "+ /usage/output_tokens  number",
            "1 capture replayed: 1 answered otherwise than recorded",
        ]
        or done.stdout.count("\n") == 7
    )


def test_streams_are_compared_by_their_events(tmp_path: Path, upstream: RecordingUpstream) -> None:
    """The kinds of events in their order, however many pieces a text came in; a whole answer instead is told."""
    text = b"".join(spell(fake_stream(json.dumps(MESSAGE).encode(), model="m"))).decode()
    events = [
        {"type": lines[0].removeprefix("event: "), "data": json.loads(lines[1].removeprefix("data: "))}
        for lines in (block.split("\n") for block in text.strip().split("\n\n"))
    ]
    again = [event for event in events for _ in range(2 if event["type"] == "content_block_delta" else 1)]
    head = {"status": 200, "headers": [["content-type", "text/event-stream"]]}
    write(tmp_path, "same.json", capture(head | {"events": again}, stream=True))
    write(tmp_path, "other.json", capture(head | {"events": events[:-1]}, stream=True))
    write(tmp_path, "whole.json", capture(head | {"body": MESSAGE}, stream=True))
    names = ("same.json", "other.json", "whole.json")
    done = run_ruleproxy(tmp_path, "replay", *names, "--upstream", upstream.url, "--header", f"x-api-key:{KEY}")
    lines = done.stdout.splitlines()
    assert lines[0] == "same.json  POST /v1/messages  200, as recorded"
    assert lines[1] == "other.json  POST /v1/messages  200"
    assert lines[2].split()[:4] == ["~", "events", "message_start", "content_block_start"]
    assert lines[3].split() == ["+", "message_stop", "object"]
    assert "~ form  a whole body -> a stream of events" in lines
    assert lines[-1] == "3 captures replayed: 2 answered otherwise than recorded"


def test_frames_are_compared_by_what_they_carry(tmp_path: Path, upstream: RecordingUpstream) -> None:
    """A recorded AWS event stream is a stream, and one that lacks an event is another one."""
    kinds = [{"data": json.loads(event.data)} for event in fake_stream(json.dumps(MESSAGE).encode(), model="m")]
    head = {"status": 200, "headers": [["content-type", "application/vnd.amazon.eventstream"]]}
    path = "/model/m/invoke-with-response-stream"
    for name, frames in (("same.json", kinds), ("other.json", kinds[:-1])):
        made = capture(head | {"frames": frames})
        made["request"] |= {"path": path, "headers": [], "body": {"anthropic_version": "bedrock-2023-05-31"}}
        write(tmp_path, name, made)
    done = run_ruleproxy(tmp_path, "replay", "same.json", "other.json", "--upstream", upstream.url)
    assert done.stdout.splitlines()[:2] == [
        f"same.json  POST {path}  200, as recorded",
        f"other.json  POST {path}  200",
    ]
    assert done.stdout.splitlines()[3].split() == ["+", "message_stop", "object"]


def test_what_cannot_be_done_is_said(tmp_path: Path) -> None:
    """No upstream, a bad header, a variable that is not set, a broken capture, an upstream that is not there."""
    write(tmp_path, "one.json", capture(None))
    (tmp_path / "bad.json").write_text("{")
    with recording_upstream() as gone:
        url = gone.url
    missing = run_ruleproxy(tmp_path, "replay", "one.json")
    assert missing.returncode == 2
    unset = run_ruleproxy(tmp_path, "replay", "one.json", "--upstream", url, "--header", "x-api-key: ${NOT_SET}")
    assert (unset.returncode, unset.stderr) == (
        2,
        "ruleproxy: --header x-api-key: NOT_SET is not set in the environment\n",
    )
    wrong = run_ruleproxy(tmp_path, "replay", "one.json", "--upstream", url, "--header", "x-api-key")
    assert (wrong.returncode, wrong.stderr) == (2, "ruleproxy: --header 'x-api-key': expected 'NAME: VALUE'\n")
    both = run_ruleproxy(tmp_path, "replay", "one.json", "bad.json", "nothing", "--upstream", url)
    assert both.returncode == 2
    assert "one.json  POST /v1/messages  502, and no answer was recorded to compare it with" in both.stdout
    assert "ruleproxy: bad.json: not JSON" in both.stderr
    assert "ruleproxy: nothing: cannot be read: no such file or directory" in both.stderr
