"""The server as a process: how it starts, what it refuses, how it stops."""

from __future__ import annotations

import signal
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from ruleproxy.proxy.server import CannotListen, open_listener
from support.raw_client import RawClient
from support.recording_upstream import OK, AwaitClose, RecordingUpstream, WaitFor
from support.server_process import clean_environment, serve_command, server_process


def run_serve(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        serve_command(*arguments), cwd=folder, env=clean_environment(), capture_output=True, text=True, timeout=30
    )


def test_a_taken_port_is_one_clear_line(tmp_path: Path) -> None:
    """Exit code 1, the address, the reason, no traceback."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        done = run_serve(tmp_path, "--upstream", "http://127.0.0.1:1", "--listen", place)
    assert done.returncode == 1
    assert done.stderr == f"ruleproxy: cannot listen on {place}: address already in use\n"


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0"])
def test_other_addresses_need_a_word(tmp_path: Path, listen: str) -> None:
    """Anything but loopback needs --allow-remote."""
    done = run_serve(tmp_path, "--upstream", "http://127.0.0.1:1", "--listen", listen)
    assert done.returncode == 1
    assert "--allow-remote" in done.stderr
    assert done.stderr.count("\n") == 1


def test_remote_addresses_can_be_allowed() -> None:
    """With the flag the socket is there."""
    open_listener("0.0.0.0", 0, allow_remote=True).close()
    with pytest.raises(CannotListen, match="allow-remote"):
        open_listener("0.0.0.0", 0, allow_remote=False)


def test_an_unknown_name_cannot_be_listened_on() -> None:
    """The resolver's reason is told."""
    with pytest.raises(CannotListen, match=r"cannot listen on nowhere\.invalid:1: "):
        open_listener("nowhere.invalid", 1, allow_remote=True)


def test_usage_is_exit_code_2(tmp_path: Path) -> None:
    """A setting that cannot be used, a flag that is not known, a file that is not there."""
    for arguments in (
        [],
        ["--upstream", "ftp://x"],
        ["--unknown"],
        ["--upstream", "http://a", "--config", "missing.toml"],
        ["--upstream", "http://a", "--log-format", "xml"],
    ):
        done = run_serve(tmp_path, *arguments)
        assert done.returncode == 2, arguments
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it(tmp_path: Path, upstream: RecordingUpstream, number: signal.Signals) -> None:
    """With exit code 0, even while clients rest on open connections; nothing odd is logged."""
    with server_process(tmp_path, upstream.url) as server, RawClient(server.port) as client:
        client.ask()
        server.process.send_signal(number)
        assert server.process.wait(4) == 0
        assert client.read_all() == b""
    assert b"Traceback" not in server.log
    assert b"rror" not in server.log


def test_what_is_under_way_is_finished(tmp_path: Path, upstream: RecordingUpstream) -> None:
    """A request that was begun before the signal gets its answer."""
    release = threading.Event()
    upstream.answer = lambda _request: (WaitFor(release), OK)
    with server_process(tmp_path, upstream.url) as server, RawClient(server.port) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
        upstream.wait_until(lambda seen: bool(seen.requests))
        server.process.terminate()
        with pytest.raises(subprocess.TimeoutExpired):
            server.process.wait(0.5)
        release.set()
        assert client.read_answer().body == b"ok"
        assert server.process.wait(10) == 0


def test_what_does_not_end_is_cut(tmp_path: Path, upstream: RecordingUpstream) -> None:
    """After `timeouts.stop` seconds the upstream's connection ends with the server."""
    upstream.answer = lambda _request: (AwaitClose(),)
    with (
        server_process(tmp_path, upstream.url, settings="[timeouts]\nstop = 0.3\n") as server,
        RawClient(server.port) as client,
    ):
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
        upstream.wait_until(lambda seen: bool(seen.requests))
        server.process.terminate()
        assert server.process.wait(10) == 0
        upstream.wait_until(lambda seen: bool(seen.closed))
    assert b"Traceback" not in server.log


def test_a_second_signal_does_not_wait(tmp_path: Path, upstream: RecordingUpstream) -> None:
    """Whoever presses twice means it; a request whose answer was not begun is told so."""
    upstream.answer = lambda _request: (AwaitClose(),)
    with (
        server_process(tmp_path, upstream.url, settings="[timeouts]\nstop = 60\n") as server,
        RawClient(server.port) as client,
    ):
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
        upstream.wait_until(lambda seen: bool(seen.requests))
        server.process.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            server.process.wait(0.5)
        server.process.send_signal(signal.SIGINT)
        assert client.read_answer().status == 503
        assert server.process.wait(10) == 0
    assert b"Traceback" not in server.log


def test_a_resting_connection_is_closed(tmp_path: Path, upstream: RecordingUpstream) -> None:
    """After `timeouts.keep_alive` seconds between requests."""
    with (
        server_process(tmp_path, upstream.url, settings="[timeouts]\nkeep_alive = 0.3\n") as server,
        RawClient(server.port) as client,
    ):
        assert client.ask().body == b"ok"
        assert client.read_all() == b""
