"""Captures from HAR files: of browsers by hand, of mitmproxy by its own export of real traffic."""

from __future__ import annotations

import base64
import gzip
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from ruleproxy.captures.capture import CapturedEvent, CapturedFailure
from ruleproxy.captures.importing import read_foreign
from ruleproxy.captures.importing.found import Broken, CannotImport, Found, Imported, LeftOut
from ruleproxy.captures.importing.har import looks_like_har, read_har
from support.recording_upstream import ReceivedRequest, Script, recording_upstream

TOOL = Path(__file__).parents[3] / ".tools" / "mitmproxy" / "bin" / "mitmdump"
STREAM = (
    'event: message_start\ndata: {"type":"message_start"}\n\n: wait\n\nevent: ping\ndata: {"type":"ping","é":"ü"}\n\n'
)


def entry(url: str = "https://llm.corp.example/v1/messages?beta=true", **changes: Any) -> dict[str, Any]:
    """An entry as Chrome writes it."""
    whole = {
        "startedDateTime": "2026-01-02T04:04:05.678+01:00",
        "request": {
            "method": "POST",
            "url": url,
            "headers": [{"name": ":authority", "value": "llm.corp.example"}, {"name": "X-A", "value": "1\n2"}],
            "bodySize": 9,
            "postData": {"mimeType": "application/json", "text": '{"a":"é"}'},
        },
        "response": {
            "status": 200,
            "headers": [{"name": "content-type", "value": "application/json"}],
            "content": {"size": 2, "mimeType": "application/json", "text": "{}"},
        },
    }
    return whole | changes


def read(*entries: Any, wanted: str = "") -> list[Found]:
    text = json.dumps({"log": {"version": "1.2", "entries": list(entries)}}).encode()
    assert looks_like_har(text)
    return list(read_har(text, lambda url: wanted in url))


def test_an_entry_of_a_browser() -> None:
    """URL, headers, body and answer become an exchange; pseudo headers go, joined header lines come apart."""
    (found,) = read(entry())
    assert isinstance(found, Imported)
    assert found.place == "/log/entries/0"
    request = found.capture.request
    assert (request.method, request.path) == ("POST", b"/v1/messages?beta=true")
    assert request.headers == [(b"Host", b"llm.corp.example"), (b"X-A", b"1"), (b"X-A", b"2")]
    assert request.body == '{"a":"é"}'.encode()
    assert found.capture.sent is not None
    assert found.capture.sent.origin == "https://llm.corp.example"
    assert found.capture.response is not None
    assert (found.capture.response.status, found.capture.response.body) == (200, b"{}")
    assert found.capture.at == "2026-01-02T03:04:05.678Z"


def test_bodies_by_their_sizes() -> None:
    """Bytes that a tool took for Latin-1, half surrogates and base64 become what they were."""
    content = {
        "latin": ({"size": 2, "text": "Ã©"}, "é".encode()),
        "text": ({"size": 2, "text": "é"}, "é".encode()),
        "surrogates": ({"size": 3, "text": "a\udcff\udc80"}, b"a\xff\x80"),
        "base64": ({"size": 3, "text": base64.b64encode(b"\0\1\2").decode(), "encoding": "base64"}, b"\0\1\2"),
    }
    for said, expected in content.values():
        (found,) = read(entry(response={"status": 200, "headers": [], "content": said}))
        assert isinstance(found, Imported)
        assert found.capture.response is not None
        assert found.capture.response.body == expected


def test_what_a_har_does_not_have_is_said() -> None:
    """A body that only has a size is withheld, a request that got no answer failed."""
    empty = {"status": 0, "headers": [], "content": {}, "_error": "net::ERR_CONNECTION_RESET"}
    lost = {"status": 200, "headers": [], "content": {"size": 7}}
    first, second = read(entry(response=empty), entry(response=lost))
    assert isinstance(first, Imported)
    assert isinstance(second, Imported)
    assert first.capture.failure == CapturedFailure("reset", "net::ERR_CONNECTION_RESET")
    assert second.capture.response is not None
    assert second.capture.response.withheld == "the HAR says 7 bytes and does not have them"


def test_what_is_no_exchange_is_left_out_by_name() -> None:
    """Web sockets, cached answers, tunnels and data URLs are named and left out; broken entries are named, too."""
    found = read(
        entry(_resourceType="websocket"),
        entry(_webSocketMessages=[]),
        entry(_fromCache="disk"),
        entry("data:text/plain,x"),
        {"request": {"method": "GET", "url": "https://llm.corp.example/", "headers": [{"name": "a"}]}},
        "no entry",
        entry("https://llm.corp.example/a b"),
        entry(response={"status": 200, "headers": [], "content": {"text": "!", "encoding": "base64"}}),
        entry(),
    )
    assert [type(one) for one in found] == [*[LeftOut] * 4, *[Broken] * 4, Imported]
    reasons = [one.reason.partition(": ")[2] for one in found if isinstance(one, LeftOut)]
    assert reasons[0] == reasons[1] == "a web socket"
    assert reasons[2] == "from the browser's cache: nothing was sent"
    problems = [one.problem for one in found if isinstance(one, Broken)]
    assert problems[:3] == [
        "`value` is missing",
        "expected an object, this is a text",
        "'https://llm.corp.example/a b' has a space or a control character",
    ]
    assert problems[3].startswith("a body is no base64")


def test_what_is_whole_of_a_har_that_broke_off() -> None:
    """The entries before the break are read, and where it is is said."""
    text = json.dumps({"log": {"entries": [entry(), entry(), entry()]}}).encode()
    found = list(read_har(text[: len(text) - 300], lambda _: True))
    assert [type(item) for item in found] == [Imported, Imported, Broken]
    assert isinstance(found[2], Broken)
    assert found[2].place == "/log/entries/2"
    assert "not JSON from here on" in found[2].problem


def test_what_is_of_a_wrong_type_is_named() -> None:
    """Nothing that is there is taken for something that is not."""
    answer = entry()["response"]
    for changes, said in (
        ({"response": [answer]}, "`response` is a list"),
        ({"response": answer | {"status": "200"}}, "`status` is a text"),
        ({"response": answer | {"status": True}}, "`status` is true"),
        ({"request": entry()["request"] | {"postData": "a=b"}}, "`postData` is a text"),
    ):
        (found,) = read(entry(**changes))
        assert found == Broken("/log/entries/0", said)
    (found,) = read(entry(response=answer | {"status": 101}))
    assert isinstance(found, LeftOut)
    (found,) = read(entry(response=answer | {"content": {"text": "aGVs\nbG8=", "encoding": "BASE64"}}))
    assert isinstance(found, Imported)
    assert found.capture.response is not None
    assert found.capture.response.body == b"hello"
    parts = {"mimeType": "multipart/form-data; boundary=b", "params": [{"name": "a", "value": "1"}]}
    (found,) = read(entry(request=entry()["request"] | {"postData": parts}))
    assert isinstance(found, Imported)
    assert (found.capture.request.body, "form in parts" in found.capture.request.withheld) == (b"", True)


def test_byte_order_marks() -> None:
    """UTF-8 and UTF-16 with a mark, as Windows writes them; what only says that it is UTF-16 is named."""
    text = json.dumps({"log": {"entries": [entry()]}})
    for written in (text.encode("utf-8-sig"), text.encode("utf-16"), b"\xfe\xff" + text.encode("utf-16-be")):
        (found,) = read_foreign(written, Path(), lambda _: True)
        assert isinstance(found, Imported)
    with pytest.raises(CannotImport, match="not UTF-16"):
        list(read_foreign(b"\xff\xfe\x00", Path(), lambda _: True))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", "an answer without the request"),
        (b'{"info":{"schema":"https://schema.getpostman.com/x"},"item":[]}', "collection of Postman"),
        (b"Invoke-WebRequest -Uri https://a.example", "copy it as cURL"),
        (b'fetch("https://a.example")', "copy it as cURL"),
    ],
)
def test_what_else_people_have_is_called_by_its_name(text: bytes, said: str) -> None:
    """And they are told what to do instead."""
    with pytest.raises(CannotImport, match=said):
        list(read_foreign(text, Path(), lambda _: True))


def test_urls_choose() -> None:
    """What went elsewhere is not looked at."""
    found = read(entry(), entry("https://other.example/"), wanted="llm.corp")
    assert len(found) == 1


@pytest.mark.parametrize("text", [b'{"log": 1}', b'{"log": {"entries": {}}}', b'{"log": ', b'{"log":' + b"[" * 100_000])
def test_no_har(text: bytes) -> None:
    """What is none says so, however deep it is nested."""
    with pytest.raises(CannotImport, match=r"no HAR|not JSON"):
        list(read_har(text, lambda _: True))


def answer(request: ReceivedRequest) -> Script:
    """A stream, a compressed answer, or bytes."""
    if b"/stream" in request.request_line:
        body, extra = STREAM.encode(), b"Content-Type: text/event-stream\r\n"
    elif b"/packed" in request.request_line:
        body, extra = (
            gzip.compress(b'{"a": "\\u00e9"}'),
            b"Content-Type: application/json\r\nContent-Encoding: gzip\r\n",
        )
    else:
        body, extra = bytes(range(256)), b"Content-Type: application/octet-stream\r\n"
    return (b"HTTP/1.1 200 OK\r\n%bContent-Length: %d\r\n\r\n%b" % (extra, len(body), body),)


@pytest.mark.skipif(not TOOL.exists(), reason="mitmproxy is not there: `make tools` installs it for the tests")
def test_what_mitmproxy_exports(tmp_path: Path) -> None:
    """Real traffic through a real mitmproxy, exported by it as HAR, becomes captures with the very bytes."""
    har = tmp_path / "flows.har"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with recording_upstream(answer) as upstream:
        command = [
            str(TOOL),
            "--mode",
            f"reverse:{upstream.url}",
            "--listen-host",
            "127.0.0.1",
            "--listen-port",
            str(port),
        ]
        home = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
        log = (tmp_path / "mitmdump.log").open("wb")
        process = subprocess.Popen([*command, "--set", f"hardump={har}"], env=home, stdout=log, stderr=log)
        try:
            sent = [
                post(port, "/stream?beta=true%20x&y", b'{"model":"m","text":"\xc3\xa9"}'),
                post(port, "/packed", b'{"spaced": 1.50}'),
                post(port, "/bytes", b"\x00\xff\xfe"),
            ]
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)
            log.close()
        shutil.rmtree(tmp_path / ".mitmproxy", ignore_errors=True)
        assert len(upstream.requests) == 3
    found = list(read_har(har.read_bytes(), lambda _: True))
    captures = [one.capture for one in found if isinstance(one, Imported)]
    assert len(captures) == len(found) == 3
    assert [capture.request.body for capture in captures] == sent
    assert captures[0].request.path == b"/stream?beta=true%20x&y"
    assert captures[0].sent is not None
    assert captures[0].sent.origin == upstream.url
    answers = [capture.response for capture in captures]
    assert answers[0] is not None
    assert answers[0].content == STREAM.encode()
    assert [event.type for event in answers[0].events or ()] == ["message_start", "", "ping"]
    assert CapturedEvent("ping", '{"type":"ping","é":"ü"}'.encode(), 0.0) in (answers[0].events or ())
    assert answers[1] is not None
    assert (answers[1].body, answers[1].decoded) == (b'{"a": "\\u00e9"}', "gzip")
    assert answers[2] is not None
    assert answers[2].body == bytes(range(256))


def post(port: int, path: str, body: bytes) -> bytes:
    """Send a request on a connection of its own, as soon as somebody listens; returns the body."""
    deadline = time.monotonic() + 30
    while True:
        try:
            connection = socket.create_connection(("127.0.0.1", port), 10)
            break
        except OSError:
            assert time.monotonic() < deadline, "mitmdump never listened"
            time.sleep(0.05)
    with connection:
        head = f"POST {path} HTTP/1.1\r\nHost: llm.corp.example\r\nContent-Type: application/json\r\n"
        connection.sendall(head.encode() + b"Connection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        while connection.recv(65536):
            pass
    return body
