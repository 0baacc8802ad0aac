"""What a second set of rules in shadow adds to a request."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.load import drive, measure_request
from benchmarks.payloads import Payload
from benchmarks.processes import run_server
from benchmarks.report import Line
from benchmarks.samples import Sample, divide
from benchmarks.stacks import OURS, RULES, Stack, check_stack, python, run_ours

_WARM_UP_SECONDS = 1

# One edit more than the live rules make, so that every exchange differs.
_ONE_MORE = """edition 1

rule "one edit more" on request
when request.path == "/v1/messages" then
  inject { prompt_text_too = "proxy bypass" } into request.body
end
"""


def measure_shadow(payloads: Sequence[Payload], folder: Path, *, rounds: int, seconds: int) -> list[Line]:
    """The typical body through the reference rules, and the same with these and one more in shadow; in turns."""
    payload = next(payload for payload in payloads if payload.name == "typical")
    shadow = folder / "shadow"
    shadow.mkdir(parents=True)
    (shadow / "more.rules").write_text(_ONE_MORE)
    body = folder / "typical.json"
    body.write_bytes(payload.body)
    options = [option for place in (RULES, shadow) for option in ("--shadow", str(place))]
    with (
        run_server(python("benchmarks.upstream"), folder / "upstream") as upstream,
        run_ours(folder / "alone", upstream, RULES) as alone,
        run_ours(folder / "shadowed", upstream, RULES, *options) as shadowed,
    ):
        costs: dict[int, list[float]] = {}
        for server in (alone, shadowed):
            check_stack(Stack(OURS, True, server), upstream, payload)
            drive(server, body, _WARM_UP_SECONDS)
        for _ in range(rounds):
            for server in (alone, shadowed):
                costs.setdefault(server.port, []).append(measure_request(server, body, seconds))
    with_shadow, without = (Sample(tuple(costs[server.port])) for server in (shadowed, alone))
    ratio = divide(with_shadow, without)
    return [
        Line("shadow, typical", f"{payload.title}, rules, others in shadow", with_shadow, "no shadow", without, ratio)
    ]
