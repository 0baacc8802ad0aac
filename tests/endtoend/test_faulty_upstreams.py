"""Whatever an upstream does: the client gets the message, a clear error or a visible cut; the server stays well."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import h11
import pytest

from ruleproxy.wire.bedrock import Decoder
from ruleproxy.wire.events import StreamEvent
from support.faulty_upstream import BEDROCK_PATH, FAULTS, FLOODS, TEXT, faulty_upstream
from support.raw_client import RawClient
from support.recording_upstream import Close, RecordingUpstream
from support.server_process import ServerProcess, server_process
from support.strict_events import Problem, check_message_events, check_messages_stream

SETTINGS = "[timeouts]\nfirst_byte = 3\nidle = 3\ntotal = 30\n"
RULES = {
    "none": "",
    "watching": """
rule "own model" on response
when not response.streamed and response.body.model ~= nil then
  rewrite response.body.model = original.request.body.model
end

rule "seen" on response then
  rewrite response.headers["x-seen"] = "1"
end

rule "own model in streams" on event
when event.type == "message_start" then
  rewrite event.data.message.model = original.request.body.model
end

rule "nothing came" on failure then
  note "nothing came"
end
""",
    "making": """
rule "repairs" on request
when request.headers["x-mode"] == "repair" then
  repair_stream
end

rule "fakes" on request
when request.headers["x-mode"] == "fake" then
  fake_stream
end

rule "collects" on request
when request.headers["x-mode"] == "collect" then
  collect_stream
end
""",
}
RUNS = [("none", ""), ("watching", ""), ("making", "repair"), ("making", "fake"), ("making", "collect")]
MOST_MEMORY = 400 * 1024 * 1024


@pytest.fixture(scope="module")
def upstream() -> Iterator[RecordingUpstream]:
    with faulty_upstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def servers(
    tmp_path_factory: pytest.TempPathFactory, upstream: RecordingUpstream
) -> Iterator[dict[str, ServerProcess]]:
    def start(name: str) -> Path:
        folder = tmp_path_factory.mktemp(name)
        (folder / "rules").mkdir()
        (folder / "rules" / "1.rules").write_text("edition 1\n" + RULES[name])
        return folder

    with (
        server_process(start("none"), upstream.url, settings=SETTINGS) as none,
        server_process(start("watching"), upstream.url, settings=SETTINGS) as watching,
        server_process(start("making"), upstream.url, settings=SETTINGS) as making,
    ):
        yield {"none": none, "watching": watching, "making": making}


class Told(NamedTuple):
    """What became of a request: `right`, `error`, `cut`, or another word with what the client got."""

    outcome: str
    status: int = 0
    body: bytes = b""


def ask(port: int, fault: str, mode: str) -> Told:
    """What a client is told by a proxy."""
    framed = bool(fault) and FAULTS[fault].framed
    lines = [f"x-fault: {fault}".encode()] if fault else []
    lines += [f"x-mode: {mode}".encode()] if mode else []
    body = b'{"model":"m","max_tokens":64' + (b"}" if mode == "collect" else b',"stream":true}')
    path = BEDROCK_PATH if framed else b"/v1/messages"
    if framed and mode == "collect":
        path = path.replace(b"invoke-with-response-stream", b"invoke")
    with RawClient(port) as client:
        client.socket.settimeout(60)
        try:
            answer = client.ask(path, body, headers=lines)
        except (EOFError, ConnectionError, ValueError):
            return Told("cut")
    return tell(answer.status, answer.body, framed=framed and mode != "collect")


def tell(status: int, body: bytes, *, framed: bool) -> Told:
    """What a complete answer tells its client."""
    if status == 200:
        return Told(judge(body, framed=framed), status, body)
    return Told("error" if status >= 300 or status == 204 else f"status {status}", status, body)


def read_as_told(fault: str) -> Told:
    """What a client would be told that asked the upstream itself, by h11's reading of its bytes."""
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=2**20)
    connection.send(h11.Request(method="POST", target="/", headers=[("Host", "x"), ("Content-Length", "0")]))
    connection.send(h11.EndOfMessage())
    status, body = 0, b""
    script = FAULTS[fault].script()
    *sent, end = script if isinstance(script[-1], Close) else (*script, None)
    try:
        connection.receive_data(b"".join(step for step in sent if isinstance(step, bytes)))
        if end is not None:
            connection.receive_data(b"")
        while (event := connection.next_event()) is not h11.NEED_DATA and event is not h11.PAUSED:
            match event:
                case h11.Response():
                    status = event.status_code
                case h11.Data():
                    body += event.data
                case h11.EndOfMessage():
                    return tell(status, body, framed=FAULTS[fault].framed)
                case h11.ConnectionClosed():
                    break
    except h11.RemoteProtocolError:
        pass
    return Told("cut", status, body)


def judge(body: bytes, *, framed: bool) -> str:
    """What a body with a 200 tells its client."""
    try:
        if framed:
            decoder = Decoder()
            items = decoder.feed(body)
            assert decoder.finish() == [], "half a frame"
            told = check_message_events([(each.type, each.data) for each in items if isinstance(each, StreamEvent)])
        elif body.lstrip().startswith(b"{"):
            told = json.loads(body)
        else:
            told = check_messages_stream(body)
    except (Problem, AssertionError, ValueError, RecursionError) as error:
        return f"unreadable: {error}"
    if told.get("type") == "error":
        return "error"
    text = "".join(block.get("text", "") for block in told.get("content", []))
    return "right" if text == TEXT else f"another text: {text!r}"


def is_borne(run: tuple[str, str], fault: str, told: Told) -> bool:
    """Whether a client is told what it should be."""
    outcome, harmless = told.outcome, FAULTS[fault].harmless
    if run[1] == "repair":
        # Nothing that a client cannot read, and no cut: there is a way to say what was wrong.
        return outcome == "right" or (outcome == "error" and not harmless)
    sent = read_as_told(fault)
    if sent.outcome == "cut":
        # Never a success made of an answer that broke off, and never a part of one that looks whole.
        return outcome in ("error", "cut") or (outcome == "right" and harmless and run[0] != "none")
    if run[0] == "none":
        return told == sent
    # Who looks inside may find the message where h11 saw only bytes, or that they are none.
    return (
        outcome == sent.outcome or (harmless and outcome == "right") or (not harmless and outcome in ("error", "cut"))
    )


def ask_all(names: list[str], run: tuple[str, str], port: int, *, at_once: int) -> dict[str, Told]:
    """What became of requests for all of these faults."""
    one: Callable[[str], Told] = lambda fault: ask(port, fault, run[1])  # noqa: E731
    with ThreadPoolExecutor(at_once) as threads:
        return dict(zip(names, threads.map(one, names), strict=True))


@pytest.mark.parametrize("run", RUNS, ids=lambda run: "-".join(run).rstrip("-"))
def test_no_upstream_harms_a_client_or_the_server(servers: dict[str, ServerProcess], run: tuple[str, str]) -> None:
    """Every fault there is, some at once; then a good request gets its answer, and memory is what it was."""
    server = servers[run[0]]
    calm = [name for name in FAULTS if name not in FLOODS]
    # What passes as it came is the client's to bear; the others have to know when it is enough.
    floods = list(FLOODS) if run[1] == "repair" or run[0] == "watching" else []
    outcomes = ask_all(calm, run, server.port, at_once=12) | ask_all(floods, run, server.port, at_once=1)
    assert {name: told for name, told in outcomes.items() if not is_borne(run, name, told)} == {}
    assert ask(server.port, "", run[1]).outcome == "right"
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    assert not re.search(rb"Traceback|unexpected failure", server.log), server.log.decode()
    peak = next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))
    assert peak < MOST_MEMORY, f"{peak >> 20} MiB"


def test_there_are_many_ways() -> None:
    """The list is long, and faults are no good answers."""
    assert len(FAULTS) > 70
    assert sum(not fault.harmless for fault in FAULTS.values()) > 50
