"""Recording real traffic to capture files, without standing in its way."""

from __future__ import annotations

import asyncio
import logging
import re
import stat
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from ruleproxy.captures.capture import Capture
from ruleproxy.captures.finding import find_captures
from ruleproxy.messages.message import Headers, Request
from ruleproxy.proxy.capturing import Recorder, RecordLimits
from ruleproxy.proxy.forwarding import Exchange
from ruleproxy.proxy.recording import Recording, RecordingForwarder
from ruleproxy.proxy.transport import SocketTransport
from support.pass_through import PassThrough
from support.recording_upstream import OK, Close, Pause, RecordingUpstream, Reset, Script, recording_upstream

KEY = b"corp-Pl4nt3d-key"
STREAM = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
    b'event: ping\ndata: {"type":"ping"}\n\n',
    Pause(0.02),
    b'data: {"type":"content_block_delta","index":0,"delta":{"text":"the key corp-Pl4n"}}\n\n',
    b'data: {"type":"content_block_delta","index":0,"delta":{"text":"t3d-key"}}\n\n',
    Close(),
)


class CollectedAnswer:
    """The client's side; `gone` makes the client leave at its first byte."""

    def __init__(self, *, gone: bool = False) -> None:
        self.status = 0
        self.body = b""
        self.ended = False
        self._gone = gone

    async def begin(self, status: int, headers: Headers) -> None:
        self.status = status

    async def write(self, data: bytes) -> None:
        if self._gone:
            raise asyncio.CancelledError
        self.body += data

    async def end(self) -> None:
        self.ended = True


@pytest.fixture
async def transport() -> AsyncIterator[SocketTransport]:
    made = SocketTransport()
    yield made
    await made.aclose()


def ask(path: bytes = b"/v1/messages", body: bytes = b'{"a":1}') -> Request:
    return Request("POST", path, b"beta=true", [(b"Host", b"proxy"), (b"X-Api-Key", KEY)], body)


def wrap(
    recorder: Recorder,
    inner: Exchange,
    request: Request,
    trace: Callable[[], Any] | None = None,
) -> Exchange:
    """The exchange as one that is recorded, if the recorder takes it."""
    return Recording(inner, request, (recorder,), recorder.body_limit, trace) if recorder.takes() else inner


async def exchange(
    recorder: Recorder,
    transport: SocketTransport,
    upstream: RecordingUpstream,
    request: Request | None = None,
    *,
    gone: bool = False,
) -> CollectedAnswer:
    """One request through a recorded exchange."""
    request = request or ask()
    answer = CollectedAnswer(gone=gone)
    recorded = wrap(recorder, PassThrough(request, upstream.url, b"/base"), request)
    await RecordingForwarder(transport).forward(recorded, answer)
    return answer


def captured(folder: Path) -> list[Capture]:
    return [source.read() for source in find_captures(folder)]


async def test_an_exchange_is_written_with_all_its_parts(tmp_path: Path, transport: SocketTransport) -> None:
    """What came, what went out as it went out, the answer with its times, what the client got; masked."""
    recorder = Recorder(tmp_path / "captures")
    with recording_upstream(STREAM) as upstream:
        answer = await exchange(recorder, transport, upstream)
        recorder.close()
        assert answer.ended
        assert answer.body.count(b"data:") == 3
        [capture] = captured(tmp_path / "captures")
        assert (capture.request.path, capture.request.body) == (b"/v1/messages?beta=true", b'{"a":1}')
        assert capture.sent is not None
        assert (capture.sent.origin, capture.sent.path) == (upstream.url, b"/base/v1/messages?beta=true")
        assert (b"Host", upstream.place.encode()) in capture.sent.headers
        assert capture.response is not None
        assert capture.response.events is not None
        times = [event.at_ms or 0 for event in capture.response.events]
        assert times == sorted(times)
        assert times[0] < times[1]
        assert capture.answer is not None
        assert capture.answer.content == capture.response.content
        assert not capture.answer.cut
        assert capture.trace == {"acted": []}
    [file] = (tmp_path / "captures").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert b"Pl4n" not in file.read_bytes()
    assert b"t3d-key" not in file.read_bytes()
    assert orjson.loads(file.read_bytes())["answer"]["body_as"] == "response"


async def test_failures_cuts_and_leaving_clients_are_written_too(tmp_path: Path, transport: SocketTransport) -> None:
    """However an exchange ends, there is a file, and it says so."""
    recorder = Recorder(tmp_path)
    half: Script = (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of it", Pause(0.05), Reset())
    with recording_upstream(half) as upstream:
        answer = await exchange(recorder, transport, upstream, ask(b"/cut"))
        assert (answer.body, answer.ended) == (b"half of it", False)
        with pytest.raises(asyncio.CancelledError):
            await exchange(recorder, transport, upstream, ask(b"/gone"), gone=True)
    answer = await exchange(recorder, transport, upstream, ask(b"/refused"))
    assert answer.status == 502
    recorder.close()
    cut, gone, refused = captured(tmp_path)
    assert cut.failure is not None
    assert cut.response is not None
    assert cut.response.cut
    assert cut.answer is not None
    assert (cut.answer.content, cut.answer.cut) == (b"half of it", True)
    assert gone.answer is not None
    assert gone.answer.cut
    assert refused.failure is not None
    assert refused.failure.kind == "refused"
    assert refused.response is None
    assert refused.answer is not None
    assert (refused.answer.status, refused.answer.cut) == (502, False)


async def test_names_sort_by_time_and_are_never_used_twice(tmp_path: Path, transport: SocketTransport) -> None:
    """They show the path, without what file names cannot hold and without its credentials."""
    recorder = Recorder(tmp_path)
    with recording_upstream((OK,)) as upstream:
        for path in (b"/a%2Fb/../c", b"/a%2Fb/../c", b"/", b"/bot/ghp_" + b"Pl4nt3d0" * 3, b"/" + b"x" * 500):
            await exchange(recorder, transport, upstream, ask(path))
    recorder.close()
    names = sorted(source.file.name for source in find_captures(tmp_path))
    assert all(re.fullmatch(r"\d{8}T\d{6}\.\d{3}Z-[0-9a-f]{8}-[A-Za-z0-9._-]+\.json", name) for name in names)
    shown = [name.split("-", 2)[2] for name in names]
    assert shown[:3] == ["a-2Fb-..-c.json", "a-2Fb-..-c.json", "root.json"]
    assert re.fullmatch(r"bot-masked-[0-9a-f]{8}\.json", shown[3])
    assert shown[4] == "x" * 60 + ".json"
    assert [capture.request.path[:2] for capture in captured(tmp_path)] == [b"/a", b"/a", b"/?", b"/b", b"/x"]


async def test_a_recorder_stops_at_its_limits(
    tmp_path: Path, transport: SocketTransport, caplog: pytest.LogCaptureFixture
) -> None:
    """Files that are there already count; it is said once; exchanges then run as if nobody recorded."""
    with recording_upstream((OK,)) as upstream:
        for limits in (RecordLimits(files=2), RecordLimits(files=3), RecordLimits(total=1)):
            recorder = Recorder(tmp_path, limits)
            for _ in range(3):
                assert (await exchange(recorder, transport, upstream)).body == b"ok"
            recorder.close()
            assert recorder.status()["full"]
    assert len(captured(tmp_path)) == 3
    assert len([record for record in caplog.records if "have reached their limit" in record.message]) == 3


async def test_a_long_body_is_cut_in_the_file_only(tmp_path: Path, transport: SocketTransport) -> None:
    """The upstream and the client get all of it; the part says how many bytes it lacks."""
    answer_body = b"word " * 2000
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer_body)
    recorder = Recorder(tmp_path, RecordLimits(body=1000))
    with recording_upstream((head + answer_body,)) as upstream:
        answer = await exchange(recorder, transport, upstream, ask(body=b"many words " * 1000))
        assert upstream.requests[0].body == b"many words " * 1000
    recorder.close()
    assert answer.body == answer_body
    [capture] = captured(tmp_path)
    for part in (capture.request, capture.sent, capture.response, capture.answer):
        assert part is not None
        assert part.truncated >= 9000


async def test_a_folder_that_cannot_be_written_is_said_once(
    tmp_path: Path, transport: SocketTransport, caplog: pytest.LogCaptureFixture
) -> None:
    """And the traffic goes on."""
    (tmp_path / "file").write_text("in the way")
    recorder = Recorder(tmp_path / "file" / "captures")
    with recording_upstream((OK,)) as upstream:
        for _ in range(3):
            assert (await exchange(recorder, transport, upstream)).body == b"ok"
    recorder.close()
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == [
        f"captures cannot be written to {tmp_path / 'file' / 'captures'}: not a directory"
    ]
    assert recorder.status()["left_out"] == 3


async def test_traffic_does_not_wait_for_the_disk(
    tmp_path: Path, transport: SocketTransport, caplog: pytest.LogCaptureFixture
) -> None:
    """While a file is being written exchanges end; past the bound they are left out, and that is said once."""
    writing = threading.Event()

    def hold_up() -> dict[str, int]:
        writing.wait(20)
        return {"late": 1}

    recorder = Recorder(tmp_path, RecordLimits(waiting=2))
    with recording_upstream((OK,)) as upstream:
        for _ in range(5):
            request = ask()
            answer = CollectedAnswer()
            recorded = wrap(recorder, PassThrough(request, upstream.url), request, hold_up)
            await RecordingForwarder(transport).forward(recorded, answer)
            assert answer.ended
        writing.set()
        recorder.close()
    assert [capture.trace for capture in captured(tmp_path)] == [{"late": 1}] * 2
    assert recorder.status()["left_out"] == 3
    assert len([record for record in caplog.records if "some are left out" in record.message]) == 1


async def test_the_proxys_own_secrets_are_masked(tmp_path: Path, transport: SocketTransport) -> None:
    """Those that rules put in, under whatever name."""
    recorder = Recorder(tmp_path, known=lambda: [b"own s3cret of the rules"])
    request = ask(body=b'{"x":"own s3cret of the rules"}')
    with recording_upstream((OK,)) as upstream:
        await exchange(recorder, transport, upstream, request)
    recorder.close()
    [capture] = captured(tmp_path)
    assert b"s3cret" not in capture.request.body


def test_a_recording_is_the_exchange_to_its_driver() -> None:
    """It says what the exchange says, but that it is never relaying: all bytes have to pass through it."""
    request = ask()
    inner = PassThrough(request, "http://127.0.0.1:1")
    inner.patience = 2.5
    recording = wrap(Recorder(Path("nowhere")), inner, request)
    assert isinstance(recording, Recording)
    assert (recording.patience, recording.acted, recording.relaying) == (2.5, (), False)
    inner.relaying = True
    assert not recording.relaying
