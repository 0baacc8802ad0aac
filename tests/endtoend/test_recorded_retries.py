"""An exchange that rules sent more than once is recorded whole, and runs again as it was: in tests, diffs, shadows."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from ruleproxy.captures.finding import find_captures
from support.golden import run_ruleproxy
from support.recording_upstream import ReceivedRequest, RecordingUpstream, Script, recording_upstream
from support.server_process import server_process

STRIP = """\
rule "what is called extra goes" on response
when response.status == 400 and not response.streamed then
  local field = capture(response.body.error.message ?? "", [[([a-z_]+): Extra inputs]])
  if field ~= nil then
    strip request.body at field
    retry
  end
end
"""
UP_FRONT = """\
rule "no first extra" on request
when request.method == "POST" then
  strip request.body["first_extra"]
end

"""
AUDIT = """\
rule "audit" on request
when request.method == "POST" then
  inject { ["x_audit"] = true } into request.body
end

"""
BODY = {"model": "m", "first_extra": 1, "second_extra": 2, "tolerated": 3}


def answer(request: ReceivedRequest) -> Script:
    extra = [name for name in json.loads(request.body) if name.endswith("_extra")]
    told = {"error": {"message": f"{''.join(extra[:1])}: Extra inputs are not permitted, AKIAABCDEFGHIJKLMNOP"}}
    body = json.dumps(told if extra else {"id": "msg_1", "type": "message"}).encode()
    status = b"400 Bad Request" if extra else b"200 OK"
    head = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (status, len(body))
    return (head + body,)


@pytest.fixture
def upstream() -> Iterator[RecordingUpstream]:
    with recording_upstream(answer) as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    texts = {"rules": STRIP, "earlier": UP_FRONT + STRIP, "audited": AUDIT + STRIP, "both": AUDIT + UP_FRONT + STRIP,
             "never": UP_FRONT}  # fmt: skip
    for name, text in texts.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "10.rules").write_text(text)
    return tmp_path


def test_every_attempt_is_recorded_and_tried(folder: Path, upstream: RecordingUpstream) -> None:
    """Each request and what came of it, masked; the same rules then do the same without any upstream, and a rule that
    sends less often gets the answer that came to what it sends.
    """
    with server_process(folder, upstream.url, "--record", "captures", "--shadow", "earlier") as proxy:
        got = httpx.post(f"{proxy.url}/v1/messages", json=BODY, timeout=30)
        assert (got.status_code, got.headers["x-ruleproxy-retries"]) == (200, "2")
        deadline = time.monotonic() + 30
        while not (shadow := httpx.get(f"{proxy.url}/_ruleproxy/status", timeout=30).json()["shadow"])["compared"]:
            assert time.monotonic() < deadline, proxy.log.decode()
            time.sleep(0.02)
    assert [(d["where"], d["before"], d["after"]) for d in shadow["differences"]] == [
        ("header x-ruleproxy-retries", "2", "1")
    ]

    [source] = find_captures(folder / "captures")
    assert "AKIA" not in source.file.read_text()
    capture = source.read()
    assert [json.loads(attempt.sent.body) for attempt in capture.answered] == [
        json.loads(request.body) for request in upstream.requests
    ]
    assert [attempt.response.status for attempt in capture.answered if attempt.response] == [400, 400, 200]
    assert capture.response is not None
    assert capture.response.status == 200

    tried = run_ruleproxy(folder, "test", "rules", "--captures", "captures", "--accept")
    assert tried.returncode == 0, tried.stdout
    [accepted] = (folder / "captures").glob("*.accepted.json")
    outcome = json.loads(accepted.read_text())
    assert outcome["sent"]["body"] == {"model": "m", "tolerated": 3}
    assert (outcome["answer"]["status"], outcome["answer"]["body"]) == (200, got.json())
    assert "x-ruleproxy-retries: 2" in outcome["answer"]["headers"]


@pytest.mark.parametrize(
    ("new", "differences"),
    [
        ("rules", []),
        ("earlier", [("answer", "header x-ruleproxy-retries", "2", "1")]),
        ("audited", [("request", "/x_audit", None, "true")]),
        (
            "both",
            [("request", "/x_audit", None, "true"), ("answer", "header x-ruleproxy-retries", "2", "1")],
        ),
        (
            "never",
            [
                ("request", "/second_extra", None, "2"),
                ("answer", "status", "200", "400"),
                ("answer", "header x-ruleproxy-retries", "2", None),
                ("answer", "/id", '"msg_1"', None),
                ("answer", "/type", '"message"', None),
            ],
        ),
    ],
)
def test_a_change_of_what_is_sent_again(
    new: str, differences: list[tuple[str, str, str | None, str | None]], folder: Path, upstream: RecordingUpstream
) -> None:
    """Whatever rules send, they get the answer of the recorded attempt that it is most like."""
    with server_process(folder, upstream.url, "--record", "captures") as proxy:
        httpx.post(f"{proxy.url}/v1/messages", json=BODY, timeout=30)
    done = run_ruleproxy(folder, "diff", "rules", new, "--captures", "captures", "--format", "json")
    found = [(d["part"], d["where"], d["before"], d["after"]) for d in json.loads(done.stdout)["differences"]]
    assert [difference for difference in found if difference[1] != "/error"] == differences
    assert done.returncode == (1 if differences else 0)


def test_more_often_than_was_recorded_is_not_known(folder: Path, upstream: RecordingUpstream) -> None:
    """A rule that sends again what was answered once only is told of, not guessed."""
    (folder / "never/10.rules").write_text(STRIP + AUDIT.replace("on request", "on response").replace(
        "when request.method == \"POST\" then", "when response.status == 200 then"
    ).replace("into request.body\n", "into request.body\n  retry\n"))  # fmt: skip
    with server_process(folder, upstream.url, "--record", "captures") as proxy:
        httpx.post(f"{proxy.url}/v1/messages", json=BODY, timeout=30)
    done = run_ruleproxy(folder, "test", "never", "--captures", "captures")
    assert "what comes back is not known: it is sent again, and what came back then was not recorded" in done.stdout


def test_a_test_is_given_what_came_back(folder: Path, upstream: RecordingUpstream) -> None:
    """A `test` block takes request and answers from the capture, every one in order; what comes after is literal."""
    with server_process(folder, upstream.url, "--record", "captures") as proxy:
        httpx.post(f"{proxy.url}/v1/messages", json=BODY, timeout=30)
    [source] = find_captures(folder / "captures")
    name = f"../captures/{source.file.name}"
    (folder / "rules/20-tests.rules").write_text(f"""\
test "as it was"
  given request from "{name}"
  given response from "{name}"
  expect retried 2
  expect response.status == 200
  expect response.body.id == "msg_1"
end

test "one more"
  given request from "{name}"
  given response {{ status = 400, body = {{ error = {{ message = "tolerated: Extra inputs" }} }} }}
  given response from "{name}"
  expect retried 3
  expect request.body == {{ model = "m" }}
end
""")
    done = run_ruleproxy(folder, "test", "rules")
    assert done.returncode == 0, done.stdout
    (folder / "captures/bare.json").write_text('{"request": {"method": "GET", "path": "/"}}')
    (folder / "rules/20-tests.rules").write_text("""\
test "nothing"
  given request from "../captures/bare.json"
  given response from "../captures/bare.json"
  expect response.status == 200
end
""")
    done = run_ruleproxy(folder, "test", "rules")
    assert done.returncode == 1
    assert "rules/20-tests.rules:3:3: rules/../captures/bare.json: nothing came back in this capture" in done.stdout
