"""Whatever an upstream does: the client gets the message, a clear error or a visible cut; the server stays well."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ruleproxy.wire.bedrock import Decoder
from ruleproxy.wire.events import StreamEvent
from support.faulty_upstream import BEDROCK_PATH, FAULTS, FLOODS, TEXT, faulty_upstream
from support.raw_client import RawClient
from support.recording_upstream import RecordingUpstream
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


def ask(port: int, fault: str, mode: str) -> str:
    """What became of a request: `right`, `error`, `cut`, or another word with what the client got."""
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
            return "cut"
    if answer.status != 200:
        return "error" if answer.status >= 300 or answer.status == 204 else f"status {answer.status}"
    return judge(answer.body, framed=framed and mode != "collect")


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


def is_borne(run: tuple[str, str], fault: str, outcome: str) -> bool:
    """Whether a client can live with what became of its request."""
    if run[1] == "repair":
        # Nothing that a client cannot read, and no cut: there is a way to say what was wrong.
        return outcome == "right" or (outcome == "error" and not FAULTS[fault].harmless)
    # What nobody repairs goes on as it came: what was wrong with it is the client's to see.
    return outcome in ("right", "error", "cut") or outcome.startswith(("unreadable", "another text"))


def ask_all(names: list[str], run: tuple[str, str], port: int, *, at_once: int) -> dict[str, str]:
    """What became of requests for all of these faults."""
    one: Callable[[str], str] = lambda fault: ask(port, fault, run[1])  # noqa: E731
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
    assert ask(server.port, "", run[1]) == "right"
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    peak = next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))
    assert peak < MOST_MEMORY, f"{peak >> 20} MiB"


def test_there_are_many_ways() -> None:
    """The list is long, and faults are no good answers."""
    assert len(FAULTS) > 70
    assert sum(not fault.harmless for fault in FAULTS.values()) > 50
