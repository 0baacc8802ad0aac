"""`ruleproxy demo`: the main job, shown in one run."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import anthropic

from support.server_process import clean_environment

COMMAND = [sys.executable, "-m", "ruleproxy", "demo"]


def environment(folder: Path) -> dict[str, str]:
    """Temporary files in the test's folder; a proxy that nobody must ask."""
    return clean_environment() | {"TMPDIR": str(folder), "HTTP_PROXY": "http://127.0.0.1:1", "PYTHONUNBUFFERED": "1"}


def test_the_difference_is_shown(tmp_path: Path) -> None:
    """The refusal, the streamed answer, the rules that acted and what they did; then it ends and leaves nothing."""
    ended = subprocess.run(COMMAND, cwd=tmp_path, capture_output=True, text=True, timeout=60, env=environment(tmp_path))
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""
    refused, accepted, acted = re.split(r"\n[23]\. ", ended.stdout)
    assert "404" in refused
    assert "streaming responses are blocked by this gateway" in refused
    assert "200 text/event-stream" in accepted
    kinds = re.findall(r'data: \{"type":"(\w+)"', accepted)
    assert (kinds[0], kinds[-1]) == ("message_start", "message_stop")
    assert "2 failed, 40 passed" in accepted
    for rule, edit in (
        ("exact endpoint", "upstream.url"),
        ("keys of the gateway's own", '/prompt_text  "proxy bypass"'),
        ("plain cache marks, and at most so many", "/tools/1/cache_control"),
        ("nothing empty", "/messages/2/content/0"),
        ("tool blocks where the gateway wants them", "/messages/1/content"),
        ("known fields only", "/context_management"),
        ("betas that the gateway knows", "anthropic-beta"),
        ("no streams", "fake_stream"),
    ):
        block = acted[acted.index(f"changed    strict-apim/{rule}") :]
        assert edit in block[: block.index("\n  changed", 1) if "\n  changed" in block[1:] else None]
    assert "demo-key" not in acted
    assert not list(tmp_path.iterdir())


class Kept:
    """A demo that stays up; everything it says is in `said`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.said = ""
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said += line

    def wait_for(self, pattern: str) -> re.Match[str]:
        deadline = time.monotonic() + 30
        while (match := re.search(pattern, self.said)) is None:
            assert time.monotonic() < deadline, f"never said {pattern!r}: {self.said}"
            assert self.process.poll() is None, self.said
            time.sleep(0.02)
        return match

    def end(self) -> int:
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(20)
        self._reader.join(10)
        return code


@contextmanager
def kept_demo(folder: Path) -> Iterator[Kept]:
    process = subprocess.Popen(
        [*COMMAND, "--keep"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(folder),
        start_new_session=True,
    )
    try:
        yield Kept(process)
    finally:
        process.kill()
        process.wait(20)
        assert process.stdout is not None
        process.stdout.close()


def test_it_stays_for_ones_own_client(tmp_path: Path) -> None:
    """The printed line is enough for an SDK; the printed file may be edited; Ctrl-C ends it and leaves nothing."""
    with kept_demo(tmp_path) as demo:
        url = demo.wait_for(r"export ANTHROPIC_BASE_URL=(http://127\.0\.0\.1:\d+)\n")[1]
        rules = Path(demo.wait_for(r"Edit (\S+\.rules) while it runs")[1])
        gateway = demo.wait_for(r"a strict gateway: (http://127\.0\.0\.1:(\d+)\S+)")

        with anthropic.Anthropic(api_key="key-1", base_url=url, max_retries=0) as client:

            def say(text: str) -> str:
                with client.messages.stream(
                    model="claude-opus-4-8", max_tokens=64, messages=[{"role": "user", "content": text}]
                ) as stream:
                    return stream.get_final_text()

            assert say("good morning") == "you said: good morning"
            demo.wait_for(r"POST /v1/messages 200 .*rules=.*strict-apim/no streams")
            rule = '\nrule "louder" on request\nwhen request.path == "/v1/messages" then\n'
            rule += '  add { role = "user", content = "and good night" } to request.body.messages\nend\n'
            text = rules.read_text()
            first, _, rest = text.partition("\n\n")
            rules.write_text(f"{first}\n{rule}\n{rest}")
            deadline = time.monotonic() + 15
            while "and good night" not in (said := say("good morning")):
                assert time.monotonic() < deadline, said
            rules.write_text(text.replace("end", "").replace("use", "uze"))
            demo.wait_for(r"not loaded: rules [0-9a-f]{7} stay in force")
            assert "and good night" in say("good morning")
        assert demo.end() == 0
    for port in (int(url.rpartition(":")[2]), int(gateway[2])):
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0
    assert not list(tmp_path.iterdir())
    assert "Traceback" not in demo.said


def test_two_at_once(tmp_path: Path) -> None:
    """Ports are free ones: two demos do not meet."""
    commands = [
        subprocess.Popen(COMMAND, cwd=tmp_path, stdout=subprocess.PIPE, env=environment(tmp_path)) for _ in range(2)
    ]
    for command in commands:
        out, _ = command.communicate(timeout=60)
        assert command.returncode == 0
        assert os.linesep.encode() + b"3. " in out
