"""`python -m benchmarks`: measure, print one table, exit with 1 outside the bars."""

from __future__ import annotations

import json
import platform
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from benchmarks.failure import BenchmarkFailed
from benchmarks.load import require_wrk
from benchmarks.payloads import make_payloads
from benchmarks.report import Line, lines_as_json, render_table

PARTS = ("engine", "scaling", "loading", "captures", "server", "shadow", "streams", "open")


@click.command()
@click.option("--only", multiple=True, type=click.Choice(PARTS), help="Measure this part; may be given more than once.")
@click.option("--seconds", default=2, type=click.IntRange(1, 5), show_default=True, help="Of load in each window.")
@click.option("--rounds", default=5, type=click.IntRange(1, 10), show_default=True, help="Windows of each figure.")
@click.option("--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Write every round here.")
def main(only: tuple[str, ...], seconds: int, rounds: int, json_file: Path | None) -> None:
    """Measure ruleproxy beside others.

    Exit codes: 0 within the bars, 1 outside, 2 usage or nothing could be measured.
    """
    # To be stopped is to leave every block: what was started is stopped there.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    begun = time.monotonic()
    try:
        lines = _measure(only or PARTS, rounds, seconds)
    except BenchmarkFailed as failure:
        print(f"benchmarks: {failure}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    print(render_table(lines))
    print(f"\nmedian of the rounds, ± half of their range; {time.monotonic() - begun:.0f} s, "
          f"Python {platform.python_version()}")  # fmt: skip
    if json_file is not None:
        json_file.write_text(json.dumps({"python": platform.python_version(), "lines": lines_as_json(lines)}, indent=1))
    outside = [line for line in lines if line.is_outside]
    for line in outside:
        print(f"outside its bar: {line.title}, beside {line.beside}")
    sys.exit(1 if outside else 0)


def _measure(parts: Sequence[str], rounds: int, seconds: int) -> list[Line]:
    from benchmarks.captured import measure_captures
    from benchmarks.in_process import measure_engine, measure_scaling
    from benchmarks.loading import measure_loading
    from benchmarks.open_streams import measure_open_streams
    from benchmarks.served_requests import measure_requests
    from benchmarks.served_streams import measure_streams
    from benchmarks.shadowed import measure_shadow
    from benchmarks.stacks import run_field

    payloads = make_payloads()
    lines: list[Line] = []

    def run(part: str, measure: Callable[[], list[Line]]) -> None:
        if part in parts:
            print(f"measuring: {part}", file=sys.stderr, flush=True)
            lines.extend(measure())

    with tempfile.TemporaryDirectory(prefix="ruleproxy-benchmarks-") as name:
        folder = Path(name)
        run("engine", lambda: measure_engine(payloads))
        run("scaling", lambda: measure_scaling(payloads, folder / "scaling"))
        run("loading", lambda: measure_loading(folder / "loading", rounds))
        run("captures", lambda: measure_captures(folder / "captured"))
        run("open", lambda: measure_open_streams(folder / "open"))
        if {"server", "shadow", "streams"} & set(parts):
            require_wrk()
        run("shadow", lambda: measure_shadow(payloads, folder / "shadow", rounds=rounds, seconds=seconds))
        if {"server", "streams"} & set(parts):
            with run_field(folder) as field:
                for text in field.skipped:
                    print(text, flush=True)
                run("server", lambda: measure_requests(
                    field, payloads, folder / "bodies", rounds=rounds, seconds=seconds))  # fmt: skip
                run("streams", lambda: measure_streams(field, payloads, rounds=rounds, seconds=seconds))
    return lines


if __name__ == "__main__":
    main()
