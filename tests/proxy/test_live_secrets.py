"""Secrets that a command or a file gives: once for many, again in time, again after a refusal, and printed nowhere."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest

from ruleproxy.engine.events import Send
from ruleproxy.engine.secret_texts import SecretUnreadable
from ruleproxy.proxy.live_secrets import LiveSecrets, rules_environment, run_command, stand_in
from ruleproxy.proxy.secret_sources import SecretSource
from ruleproxy.proxy.settings import read_settings
from support.raw_client import RawClient
from support.recording_upstream import OK, ReceivedRequest, Script, recording_upstream
from support.server_process import server_process

RULES = """edition 1

rule "the gateway's token" on request, required when request.path == "/v1/messages" then
  rewrite request.headers["authorization"] = "Bearer " .. secret("GATEWAY_TOKEN")
  rewrite request.query["key"] = secret("GATEWAY_TOKEN")
end
"""

UNAUTHORIZED = b'HTTP/1.1 401 No\r\nContent-Length: 29\r\n\r\n{"error":{"message":"stale"}}'


@dataclass
class Clock:
    """Time as a test has it pass."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def python(script: str) -> tuple[str, ...]:
    return (sys.executable, "-c", script)


def counting(folder: Path, gives: str = "'token-' + str(n) + '-made-up'", before: str = "") -> tuple[str, ...]:
    """A command that counts its runs in a file and prints what `gives` says of their number `n`."""
    file = folder / "runs"
    file.touch()
    return python(
        f"f = open({str(file)!r}, 'a+'); f.write('x'); f.flush(); f.seek(0); n = len(f.read())\n"
        f"{before}\nprint({gives})"
    )


def runs(folder: Path) -> int:
    return len((folder / "runs").read_text())


def source(command: tuple[str, ...], *, lifetime: float = 300, timeout: float = 30) -> SecretSource:
    return SecretSource("TOKEN", command=command, lifetime=lifetime, timeout=timeout)


def send() -> Send:
    return Send("http://up.example", "GET", b"/", [(b"A", b"Bearer " + stand_in("TOKEN").encode())], b"")


async def fill(secrets: LiveSecrets) -> bytes:
    return (await secrets.fill(send()))[0].headers[0][1]


async def test_one_run_serves_all_who_wait(tmp_path: Path) -> None:
    """A hundred requests at once, and later ones within the lifetime."""
    secrets = LiveSecrets({"TOKEN": source(counting(tmp_path, before="import time; time.sleep(0.3)"))})
    found = await asyncio.gather(*(fill(secrets) for _ in range(100)))
    assert set(found) == {b"Bearer token-1-made-up"} == {await fill(secrets)}
    assert runs(tmp_path) == 1
    assert secrets.known() == [b"token-1-made-up"]


async def test_who_goes_away_takes_nothing_with_him(tmp_path: Path) -> None:
    """The run goes on for the others."""
    secrets = LiveSecrets({"TOKEN": source(counting(tmp_path, before="import time; time.sleep(0.3)"))})
    leaving, staying = asyncio.create_task(fill(secrets)), asyncio.create_task(fill(secrets))
    await asyncio.sleep(0.05)
    leaving.cancel()
    assert await staying == b"Bearer token-1-made-up"
    assert runs(tmp_path) == 1


async def test_after_its_lifetime_it_is_got_again(tmp_path: Path) -> None:
    """And what was used before is still masked."""
    clock = Clock()
    secrets = LiveSecrets({"TOKEN": source(counting(tmp_path), lifetime=60)}, clock)
    assert await fill(secrets) == b"Bearer token-1-made-up"
    clock.now += 61
    assert await fill(secrets) == b"Bearer token-2-made-up"
    assert secrets.known() == [b"token-1-made-up", b"token-2-made-up"]


async def test_near_its_end_it_is_got_beside_the_traffic(tmp_path: Path) -> None:
    """Nobody waits for the command: the old value is used meanwhile."""
    clock = Clock()
    command = counting(tmp_path, before="import time; n > 1 and time.sleep(1)")
    secrets = LiveSecrets({"TOKEN": source(command, lifetime=60)}, clock)
    assert await fill(secrets) == b"Bearer token-1-made-up"
    clock.now += 50
    assert await fill(secrets) == b"Bearer token-1-made-up"
    deadline = asyncio.get_running_loop().time() + 20
    while await fill(secrets) != b"Bearer token-2-made-up":
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.05)


async def test_a_file_is_read_again_after_its_lifetime(tmp_path: Path) -> None:
    """As mounted secrets are rotated."""
    file = tmp_path / "token"
    file.write_text("first-made-up\n")
    clock = Clock()
    secrets = LiveSecrets({"TOKEN": SecretSource("TOKEN", file=file, lifetime=60)}, clock)
    assert await fill(secrets) == b"Bearer first-made-up"
    file.write_text("second-made-up\n")
    assert await fill(secrets) == b"Bearer first-made-up"
    clock.now += 61
    assert await fill(secrets) == b"Bearer second-made-up"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (python("print('made-up'); raise SystemExit(3)"), "ended with exit code 3"),
        (python("import os; print('made-up', flush=True); os.kill(os.getpid(), 9)"), "was ended by signal 9"),
        (python("print('made-up', flush=True); import time; time.sleep(60)"), "gave nothing within 0.5 s"),
        (python("print('made-up\\nmade-up')"), "gave more than one line, or control characters"),
        (python("print('made-up' * 20000)"), "gave more than 65536 bytes"),
        (python(""), "gave nothing"),
        (python("import sys; sys.stdout.buffer.write(b'made-up\\xff')"), "gave bytes that are not UTF-8"),
        (("/nowhere/made",), "its command /nowhere/made cannot be run: no such file or directory"),
    ],
)
async def test_a_command_that_gives_no_secret_is_named_and_never_quoted(command: tuple[str, ...], message: str) -> None:
    """Its name, the secret's, how it ended: not a byte of what it printed."""
    seconds = 0.5 if "within" in message else 30
    with pytest.raises(SecretUnreadable) as caught:
        await run_command("TOKEN", command, seconds)
    assert str(caught.value).startswith("secret TOKEN: ")
    assert message in str(caught.value)
    assert "made-up" not in str(caught.value)


async def test_a_command_that_takes_too_long_leaves_nothing_running(tmp_path: Path) -> None:
    """Its children are ended with it."""
    file = tmp_path / "alive"
    child = f"import time\nwhile True: open({str(file)!r}, 'a').write('x'); time.sleep(0.02)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    with pytest.raises(SecretUnreadable):
        await run_command("TOKEN", python(parent), 2)
    await asyncio.sleep(0.2)
    size = file.stat().st_size if file.exists() else 0
    await asyncio.sleep(0.2)
    assert (file.stat().st_size if file.exists() else 0) == size


async def test_a_failure_is_told_for_a_while_before_the_command_runs_again(tmp_path: Path) -> None:
    """Requests do not queue up behind a command that fails."""
    clock = Clock()
    secrets = LiveSecrets({"TOKEN": source(counting(tmp_path, before="raise SystemExit(1)"))}, clock)
    for moment, ran in ((0, 1), (1, 1), (4, 1), (6, 2), (7, 2)):
        clock.now = moment
        with pytest.raises(SecretUnreadable, match="exit code 1"):
            await fill(secrets)
        assert runs(tmp_path) == ran


async def test_it_stands_in_headers_and_in_the_target_as_these_spell_it(tmp_path: Path) -> None:
    """Raw in a header, percent-encoded in a URL; and a request without a stand-in is left alone."""
    secrets = LiveSecrets({"TOKEN": source(python("print('a b&c%/=')"))})
    mark = stand_in("TOKEN").encode()
    filled, used = await secrets.fill(Send("http://u", "GET", b"/x?k=" + mark, [(b"A", b"B " + mark)], b""))
    assert (filled.target, filled.headers) == (b"/x?k=a%20b%26c%25%2F%3D", [(b"A", b"B a b&c%/=")])
    assert used == {"TOKEN": "a b&c%/="}
    assert not secrets.stands_in(Send("http://u", "GET", b"/", [(b"A", b"B")], b""))


def test_what_rules_are_loaded_with(tmp_path: Path) -> None:
    """A variable under another name; for what changes, a text that nobody can guess."""
    sources = {
        "A": SecretSource("A", variable="OTHER"),
        "B": SecretSource("B", variable="MISSING"),
        "C": SecretSource("C", command=("x",)),
    }
    found = rules_environment(sources, {"OTHER": "value", "B": "not this one", "REST": "r"})
    assert found == {"OTHER": "value", "A": "value", "REST": "r", "C": stand_in("C")}
    assert len(stand_in("C")) > 32


def settings_for(command: tuple[str, ...], more: str = "") -> str:
    return f"[secrets.GATEWAY_TOKEN]\ncommand = {orjson.dumps(list(command)).decode()}\n{more}\n"


def write_rules(folder: Path) -> None:
    (folder / "rules").mkdir()
    (folder / "rules" / "a.rules").write_text(RULES)


def test_a_refused_token_is_got_again_and_the_request_sent_once_more(tmp_path: Path) -> None:
    """Over sockets: 401, a new token, the same request; visible as a retry; the value is in no log and no capture."""

    def answer(request: ReceivedRequest) -> Script:
        return (OK,) if request.values(b"authorization") == [b"Bearer token-2-made-up"] else (UNAUTHORIZED,)

    write_rules(tmp_path)
    with recording_upstream(answer) as upstream:
        with (
            server_process(
                tmp_path, upstream.url, "--record", "captures", settings=settings_for(counting(tmp_path))
            ) as server,
            RawClient(server.port) as client,
        ):
            first = client.ask(b"/v1/messages?a=b", b"{}")
            second = client.ask(b"/v1/messages", b"{}")
            server.wait_for_log(rb"POST /v1/messages\S* 200 .*retries 1")
        log = server.log
    assert (first.status, first.body, first.values(b"x-ruleproxy-retries")) == (200, b"ok", [b"1"])
    assert (second.status, second.values(b"x-ruleproxy-retries")) == (200, [])
    assert [request.values(b"authorization")[0][-17:] for request in upstream.requests] == [
        b"r token-1-made-up",
        b"r token-2-made-up",
        b"r token-2-made-up",
    ]
    assert upstream.requests[1].request_line == b"POST /v1/messages?a=b&key=token-2-made-up HTTP/1.1"
    assert upstream.requests[0].body == upstream.requests[1].body == b"{}"
    assert runs(tmp_path) == 2
    written = [log, *(file.read_bytes() for file in (tmp_path / "captures").iterdir())]
    assert len(written) == 3
    assert not any(b"made-up" in text for text in written)


def test_a_token_that_stays_refused_is_sent_twice_and_no_more(tmp_path: Path) -> None:
    """The upstream's 401 goes to the client as it came."""
    write_rules(tmp_path)
    with recording_upstream((UNAUTHORIZED,)) as upstream:
        with (
            server_process(tmp_path, upstream.url, settings=settings_for(counting(tmp_path))) as server,
            RawClient(server.port) as client,
        ):
            answer = client.ask(b"/v1/messages")
            assert (answer.status, answer.body) == (401, UNAUTHORIZED[-29:])
        assert len(upstream.requests) == 2


def test_a_token_that_stays_the_same_is_not_sent_again(tmp_path: Path) -> None:
    """Nothing has changed: the upstream would say the same."""
    write_rules(tmp_path)
    with recording_upstream((UNAUTHORIZED,)) as upstream:
        with (
            server_process(tmp_path, upstream.url, settings=settings_for(counting(tmp_path, "'made-up'"))) as server,
            RawClient(server.port) as client,
        ):
            assert client.ask(b"/v1/messages").status == 401
        assert len(upstream.requests) == 1


def test_an_upstream_that_refuses_everything_starts_no_command_each_time(tmp_path: Path) -> None:
    """One at the start, one because of the first refusal, none because of those that follow at once."""
    write_rules(tmp_path)
    with (
        recording_upstream((UNAUTHORIZED,)) as upstream,
        server_process(tmp_path, upstream.url, settings=settings_for(counting(tmp_path))) as server,
        RawClient(server.port) as client,
    ):
        assert [client.ask(b"/v1/messages").status for _ in range(3)] == [401] * 3
    assert runs(tmp_path) == 2


def test_a_command_runs_at_the_start_where_a_rule_names_its_secret(tmp_path: Path) -> None:
    """So that nobody waits for it later, and the log has a failure before the first request."""
    write_rules(tmp_path)
    command = counting(tmp_path, before="raise SystemExit(7)")
    with server_process(tmp_path, "http://127.0.0.1:9", settings=settings_for(command)) as server:
        server.wait_for_log(rb"secret GATEWAY_TOKEN: its command \S+ ended with exit code 7", 30)


def test_a_command_that_fails_refuses_those_who_need_it(tmp_path: Path) -> None:
    """502 that names the secret; other requests go through; nothing reaches the upstream without it."""
    write_rules(tmp_path)
    command = counting(tmp_path, before="print('made-up'); raise SystemExit(7)")
    with recording_upstream() as upstream:
        with (
            server_process(tmp_path, upstream.url, settings=settings_for(command)) as server,
            RawClient(server.port) as client,
        ):
            refused = client.ask(b"/v1/messages")
            assert client.ask(b"/elsewhere").status == 200
            log = server.log
        assert len(upstream.requests) == 1
    message = orjson.loads(refused.body)["error"]["message"]
    assert refused.status == 502
    assert message == f"secret GATEWAY_TOKEN: its command {sys.executable} ended with exit code 7"
    assert b"made-up" not in log


@pytest.mark.parametrize("command", ['["./token"]', '"./token"', '["token-folder/../token"]'])
def test_a_command_beside_the_settings_is_found_from_wherever_the_server_starts(tmp_path: Path, command: str) -> None:
    """Paths in the file are relative to it, that of a command's program, too."""
    (tmp_path / "token-folder").mkdir()
    program = tmp_path / "token"
    program.write_text("#!/bin/sh\necho made-up-token\n")
    program.chmod(0o700)
    (tmp_path / "ruleproxy.toml").write_text(
        f'[upstreams]\nmain = "http://127.0.0.1:9"\n[secrets.GATEWAY_TOKEN]\ncommand = {command}\n'
    )
    source = read_settings({}, {}, tmp_path / "ruleproxy.toml").secrets["GATEWAY_TOKEN"]
    assert source.command is not None
    assert subprocess.run(source.command, cwd="/", capture_output=True, check=True).stdout == b"made-up-token\n"
