"""What it takes to read rules: a first time, and again after an edit."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.failure import BenchmarkFailed
from benchmarks.in_process import write_rules
from benchmarks.report import Line
from benchmarks.samples import Sample, divide
from ruleproxy.engine.loading import load_rules
from ruleproxy.engine.remembering import LoadMemory
from ruleproxy.language.parsing import MEMORY

_MANY = 1_000


def measure_loading(folder: Path, rounds: int) -> list[Line]:
    """A thousand rules: `check` as a process, and reloads in a process beside the first load."""
    folder.mkdir()
    file = folder / "many.rules"
    text = write_rules(_MANY)
    middle = text.index('rule "number', len(text) // 2)
    edits: dict[str, Callable[[int], str]] = {
        "nothing changed": lambda _: text,
        "one rule changed": lambda turn: text.replace('"team 1500"', f'"other {turn}"'),
        "one rule more": lambda turn: f"{text[:middle]}{_another(turn)}{text[middle:]}",
        "a line more in front": lambda turn: "--" * (turn + 1) + "\n" + text,
    }
    first: list[float] = []
    again: dict[str, list[float]] = {edit: [] for edit in edits}
    checks: list[float] = []
    for turn in range(rounds):
        memory = LoadMemory()
        MEMORY.clear()
        first.append(_load(file, text, memory))
        for edit, write in edits.items():
            again[edit].append(_load(file, write(turn), memory))
            _load(file, text, memory)
        checks.append(_check(folder))
    cold = Sample(tuple(first))
    lines = [Line("check", f"check: {_MANY} rules, the whole command", Sample(tuple(checks)))]
    lines.append(Line("first load", f"load: {_MANY} rules, the first time", cold))
    for edit, values in again.items():
        sample = Sample(tuple(values))
        lines.append(
            Line(f"load, {edit} / first", f"load: {edit}", sample, "the first time", cold, divide(sample, cold))
        )
    return lines


def _another(turn: int) -> str:
    return f'rule "another {turn}" on request then\n  strip request.body.another_{turn}\nend\n\n'


def _load(file: Path, text: str, memory: LoadMemory) -> float:
    file.write_text(text)
    begun = time.process_time_ns()
    loaded = load_rules([file], (), memory=memory)
    spent = (time.process_time_ns() - begun) / 1e3
    if loaded.ruleset is None:
        raise BenchmarkFailed(f"{file}: {loaded.unreadable or loaded.diagnostics[0].message}")
    return spent


def _check(folder: Path) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-m", "ruleproxy", "check", str(folder)], capture_output=True, check=False)
    if done.returncode:
        raise BenchmarkFailed(f"check: {done.stdout.decode()[-300:]}{done.stderr.decode()[-300:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1e6
