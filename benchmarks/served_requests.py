"""What a request costs each proxy, from socket to socket."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.load import drive, measure_request
from benchmarks.payloads import Payload
from benchmarks.report import Line
from benchmarks.samples import Sample, divide
from benchmarks.stacks import NGINX, OBVIOUS, OURS, TITLES, Field, Stack, check_stack

_WARM_UP_SECONDS = 1

Cell = tuple[str, bool, str]


def measure_requests(
    field: Field, payloads: Sequence[Payload], folder: Path, *, rounds: int, seconds: int
) -> list[Line]:
    """Every stack with every body, with and without rules; the stacks take turns within a round."""
    folder.mkdir()
    cells: dict[Cell, tuple[Stack, Path]] = {}
    for payload in payloads:
        file = folder / f"{payload.name}.json"
        file.write_bytes(payload.body)
        for rules in (False, True):
            for stack in field.stacks:
                if stack.rules is rules:
                    check_stack(stack, field.upstream, payload)
                    cells[stack.name, rules, payload.name] = (stack, file)
    figures: dict[Cell, list[float]] = {cell: [] for cell in cells}
    for number in range(rounds):
        for cell, (stack, file) in cells.items():
            if number == 0:
                drive(stack.server, file, _WARM_UP_SECONDS)
            figures[cell].append(measure_request(stack.server, file, seconds))
    return _make_lines({cell: Sample(tuple(values)) for cell, values in figures.items()}, payloads)


def _make_lines(samples: dict[Cell, Sample], payloads: Sequence[Payload]) -> list[Line]:
    lines = []
    for payload in payloads:
        for rules in (False, True):
            ours = samples[OURS, rules, payload.name]
            name, title = (f"{text}, rules" if rules else text for text in (payload.name, payload.title))
            for peer in (OBVIOUS, NGINX):
                other = samples.get((peer, rules, payload.name))
                if other is not None:
                    ratio = divide(ours, other)
                    lines.append(Line(f"{name} / {peer}", title, ours, TITLES[peer], other, ratio))
    return lines
