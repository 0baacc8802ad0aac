"""`ruleproxy test --watch` as a process: it runs again on a change of rules or captures, and ends on Ctrl-C."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from support.golden import run_ruleproxy

RULE = 'rule "a" on request then\n  rewrite request.headers["x-a"] = "1"\nend\n'
TEST = '\ntest "one"\n  given request {{ method = "GET", path = "/" }}\n  expect request.headers["x-a"] == "{}"\nend\n'


@contextmanager
def watching(folder: Path) -> Iterator[tuple[subprocess.Popen[str], Callable[[str], None]]]:
    """A watching process, and what waits for a line that holds a text."""
    command = [sys.executable, "-u", "-m", "ruleproxy", "test", "--watch", "--captures", "captures"]
    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    assert process.stdout is not None
    stream, lines = process.stdout, queue.Queue[str]()

    def read() -> None:
        for line in stream:
            lines.put(line)

    reader = threading.Thread(target=read)
    reader.start()

    def wait_for(text: str) -> None:
        seen: list[str] = []
        while not seen or text not in seen[-1]:
            try:
                seen.append(lines.get(timeout=60))
            except queue.Empty:
                raise AssertionError(f"{text!r} was never said: {seen}") from None

    try:
        yield process, wait_for
    finally:
        process.kill()
        process.wait()
        reader.join()
        stream.close()


def test_it_runs_again_on_each_kind_of_change(tmp_path: Path) -> None:
    """A rule, a test, a broken file and its repair, a capture, a new folder of rules; Ctrl-C ends with 0."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "captures").mkdir()
    rules = tmp_path / "rules/a.rules"
    rules.write_text(RULE + TEST.format(1))
    (tmp_path / "captures/one.json").write_text('{"request": {"method": "GET", "path": "/"}}')
    with watching(tmp_path) as (process, wait_for):
        wait_for("1 passed, 0 failed; 1 capture: 1 changed")
        wait_for("watching rules; Ctrl-C ends")
        rules.write_text(RULE + TEST.format(2))
        wait_for("0 passed, 1 failed; 1 capture")
        wait_for("watching rules")
        rules.write_text("rule")
        wait_for("nothing was tested: 1 error in the rules")
        wait_for("watching rules")
        rules.write_text(RULE + TEST.format(1))
        wait_for("1 passed, 0 failed; 1 capture")
        wait_for("watching rules")
        (tmp_path / "captures/lines.jsonl").write_text(json.dumps({"request": {"method": "GET", "path": "/"}}))
        wait_for("1 passed, 0 failed; 2 captures: 2 changed")
        wait_for("watching rules")
        (tmp_path / "other").mkdir()
        (tmp_path / "other/b.rules").write_text(RULE.replace("x-a", "x-b"))
        (tmp_path / "rules").rename(tmp_path / "gone")
        (tmp_path / "other").rename(tmp_path / "rules")
        wait_for("2 captures: 2 changed")
        wait_for("watching rules")
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(60) == 0


def test_what_cannot_be_watched(tmp_path: Path) -> None:
    """Watching writes nothing, and shows text."""
    (tmp_path / "rules").mkdir()
    for options in (("--accept",), ("--format", "json"), ("--shard", "1/2"), ("--report", "r.json")):
        done = run_ruleproxy(tmp_path, "test", "--watch", *options)
        assert (done.returncode, done.stdout) == (2, "")
        assert "--watch shows text, and writes nothing" in done.stderr
