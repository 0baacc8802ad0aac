"""`ruleproxy run`: a command and a proxy that lives as long as it does."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from ruleproxy.commands.run import child_environment
from support.recording_upstream import RecordingUpstream, recording_upstream
from support.server_process import clean_environment

MARK = 'edition 1\n\nrule "mark" on request then\n  rewrite request.headers["x-mark"] = "1"\nend\n'
ASK = (
    "import os, urllib.request as r; "
    "print(r.urlopen(os.environ['ANTHROPIC_BASE_URL'] + '/v1/messages', b'{}').read().decode())"
)
# Says that it is ready, then what signals come, and ends with 9 after the second kind of them.
# Written without a buffer: a signal may come while the line before it is still being printed.
LISTEN = """
import os, signal, sys, time
def told(number, frame):
    os.write(1, b"got " + signal.Signals(number).name.encode() + b"\\n")
    if number != signal.SIGINT:
        sys.exit(9)
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
    signal.signal(number, told)
os.write(1, b"ready\\n")
time.sleep(30)
"""


@pytest.fixture
def upstream() -> Iterator[RecordingUpstream]:
    with recording_upstream() as upstream:
        yield upstream


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working folder with one rule."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "1.rules").write_text(MARK)
    return tmp_path


def run_command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "ruleproxy", "run", *arguments]


def environment(folder: Path, **more: str) -> dict[str, str]:
    """No settings of the proxy, temporary files in the test's folder."""
    cleaned = {name: value for name, value in clean_environment().items() if not name.startswith("ANTHROPIC_")}
    return cleaned | {"TMPDIR": str(folder)} | more


def run(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run to the end."""
    return subprocess.run(
        run_command(*arguments),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=40,
        env=environment(folder, **more),
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )


@contextmanager
def started(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run beside the test, without a terminal; what is left at the end of the block is killed."""
    process = subprocess.Popen(
        run_command(*arguments),
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(folder),
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_the_command_reaches_the_proxy(folder: Path, upstream: RecordingUpstream) -> None:
    """Its base URL names the proxy, the rules act, and the log, whose path is printed once, has the request's line."""
    ended = run(folder, "--upstream", upstream.url, "--", sys.executable, "-c", ASK)
    assert (ended.returncode, ended.stdout) == (0, "ok\n")
    (seen,) = upstream.requests
    assert seen.values(b"x-mark") == [b"1"]
    lines = ended.stderr.splitlines()
    assert len(lines) == 1
    match = re.fullmatch(r"ruleproxy: (http://127\.0\.0\.1:\d+) -> (\S+), log in (\S+)", lines[0])
    assert match is not None, lines
    assert match[2] == upstream.url
    log = Path(match[3])
    assert log.parent == folder
    assert re.search(r"POST /v1/messages 200 .* rules=mark\n", log.read_text())
    assert log.stat().st_mode & 0o077 == 0


def test_nothing_is_left(folder: Path, upstream: RecordingUpstream) -> None:
    """When the command is over nobody listens on the proxy's port any more."""
    ended = run(folder, "--upstream", upstream.url, "--", "sh", "-c", "echo $ANTHROPIC_BASE_URL")
    port = int(ended.stdout.strip().rpartition(":")[2])
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.mark.parametrize(
    ("script", "code"),
    [("exit 7", 7), ("kill -KILL $$", 128 + 9)],
)
def test_exit_codes(folder: Path, upstream: RecordingUpstream, script: str, code: int) -> None:
    """The command's own, or 128 and the signal that ended it."""
    assert run(folder, "--upstream", upstream.url, "--", "sh", "-c", script).returncode == code


def test_names_of_the_base_url(folder: Path, upstream: RecordingUpstream) -> None:
    """`--env` sets more of them, with a path where one is given; options after `--` are the command's."""
    script = "echo $ANTHROPIC_BASE_URL; echo $OPENAI_BASE_URL; echo $OTHER_URL; echo $1 $2"
    names = ("--env", "OTHER_URL", "--env", "OPENAI_BASE_URL=/v1")
    ended = run(folder, "--upstream", upstream.url, *names, "--", "sh", "-c", script, "sh", "--env", "--rules")
    url, openai, other, arguments = ended.stdout.splitlines()
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", url)
    assert (openai, other, arguments) == (f"{url}/v1", url, "--env --rules")


def test_the_present_base_url_is_the_upstream(folder: Path, upstream: RecordingUpstream) -> None:
    """Whoever has a gateway configured already needs no option; its path comes before the client's."""
    ended = run(folder, "--", sys.executable, "-c", ASK, ANTHROPIC_BASE_URL=f"{upstream.url}/gw")
    assert ended.returncode == 0, ended.stderr
    assert upstream.requests[0].request_line == b"POST /gw/v1/messages HTTP/1.1"


def test_no_other_proxy_comes_between() -> None:
    """Clients that honour HTTP_PROXY must not send what is meant for this machine through it."""
    given = {"HTTPS_PROXY": "http://proxy.example", "HTTP_PROXY": "http://proxy.example", "NO_PROXY": "corp.example"}
    child = child_environment(given, "http://127.0.0.1:1", ())
    assert child["NO_PROXY"] == "corp.example,127.0.0.1"
    assert child["no_proxy"] == "127.0.0.1"
    assert "NO_PROXY" not in child_environment({"A": "1"}, "http://127.0.0.1:1", ())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--upstream", "http://127.0.0.1:1", "--", "no-such-command-here"), "cannot run no-such-command-here"),
        (("--upstream", "http://127.0.0.1:1", "--rules", "nowhere", "--", "true"), "no rules at nowhere"),
        (("--", "true"), "no upstream is given"),
    ],
)
def test_what_cannot_start(folder: Path, arguments: tuple[str, ...], said: str) -> None:
    """125 and one reason."""
    ended = run(folder, *arguments)
    assert ended.returncode == 125
    assert f"ruleproxy: {said}" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_broken_rules(folder: Path) -> None:
    """All diagnostics, 125, and the command is not run; no log is left behind."""
    (folder / "rules" / "2.rules").write_text('edition 1\n\nrule "a" on request the\nend\n')
    (folder / "rules" / "3.rules").write_text('edition 1\n\nrule "b" on request then\n  stripe request.body.x\nend\n')
    ended = run(folder, "--upstream", "http://127.0.0.1:1", "--", "touch", "ran")
    assert ended.returncode == 125
    assert "2.rules:3:" in ended.stderr
    assert "3.rules:4:" in ended.stderr
    assert not (folder / "ran").exists()
    assert not list(folder.glob("*.log"))


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGUSR1"])
def test_signals_are_passed_on(folder: Path, upstream: RecordingUpstream, name: str) -> None:
    """The command decides what a signal means, SIGINT among them where no terminal sends it; its code counts."""
    with started(folder, "--upstream", upstream.url, "--", sys.executable, "-c", LISTEN) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == b"got SIGINT\n"
        process.send_signal(getattr(signal, name))
        assert process.stdout.readline() == f"got {name}\n".encode()
        assert process.wait(15) == 9


def test_a_command_that_a_signal_ends(folder: Path, upstream: RecordingUpstream) -> None:
    """Passed on, and told by the exit code."""
    with started(folder, "--upstream", upstream.url, "--", "sh", "-c", "echo ready; exec sleep 30") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 128 + 15


def test_signals_that_were_ignored_stay_so(folder: Path, upstream: RecordingUpstream) -> None:
    """A command under `nohup` outlives the terminal with the proxy in between as well as without."""
    look = "import signal; print(*(signal.getsignal(n) == signal.SIG_IGN for n in (signal.SIGHUP, signal.SIGTERM)))"
    command = run_command("--upstream", upstream.url, "--", sys.executable, "-c", look)
    ended = subprocess.run(
        ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", *command],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=40,
        env=environment(folder),
        start_new_session=True,
    )
    assert ended.stdout == "True False\n"


def test_standard_streams_are_the_commands(folder: Path, upstream: RecordingUpstream) -> None:
    """What is piped in reaches it, what it writes is all there is on standard output."""
    ended = subprocess.run(
        run_command("--upstream", upstream.url, "--", "sh", "-c", "cat; echo err >&2"),
        cwd=folder,
        input=b"in\0\xff\n",
        capture_output=True,
        timeout=40,
        env=environment(folder),
    )
    assert ended.stdout == b"in\0\xff\n"
    assert ended.stderr.splitlines()[-1] == b"err"


def read_until(terminal: int, mark: bytes) -> bytes:
    """What a terminal shows up to a mark."""
    shown = b""
    deadline = time.monotonic() + 20
    while mark not in shown:
        assert time.monotonic() < deadline, shown
        if select.select([terminal], [], [], 0.2)[0]:
            shown += os.read(terminal, 4096)
    return shown


def in_terminal(folder: Path, environment: Mapping[str, str], command: list[str]) -> tuple[int, int]:
    """Start a command in a terminal of its own: its process and the terminal's other end."""
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(folder)
        os.execve(command[0], command, environment)
    return process, terminal


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("piped", [False, True])
def test_the_terminal_is_the_commands(folder: Path, upstream: RecordingUpstream, piped: bool) -> None:
    """It sees a terminal, and Ctrl-C reaches it once: from the terminal, not a second time from us."""
    inner = run_command("--upstream", upstream.url, "--", sys.executable, "-c", f"import os{LISTEN}")
    # The shell leads the session: it has to outlive Ctrl-C, or the terminal hangs up.
    command = ["/bin/sh", "-c", 'trap : INT; true | "$@"' if piped else 'exec "$@"', "sh", *inner]
    process, terminal = in_terminal(folder, environment(folder), command)
    ended = False
    try:
        read_until(terminal, b"ready\r\n")
        os.write(terminal, b"\x03")
        shown = read_until(terminal, b"got SIGINT\r\n")
        # Long enough for a second one to arrive, if it were sent.
        time.sleep(0.3)
        os.write(terminal, b"\x03")
        shown += read_until(terminal, b"got SIGINT\r\n")
        assert shown.count(b"got SIGINT") == 2
        time.sleep(0.3)
        assert not select.select([terminal], [], [], 0)[0]
    finally:
        os.killpg(process, signal.SIGTERM)
        deadline = time.monotonic() + 15
        while not ended and time.monotonic() < deadline:
            ended = os.waitpid(process, os.WNOHANG)[0] != 0
            time.sleep(0.05)
        if not ended:
            os.killpg(process, signal.SIGKILL)
            os.waitpid(process, 0)
        os.close(terminal)
    assert ended
