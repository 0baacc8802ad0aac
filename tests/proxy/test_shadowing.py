"""Comparing in shadow keeps to its part of the processor's time."""

from __future__ import annotations

from ruleproxy.engine.exchange import Exchange
from ruleproxy.proxy.recording import Recording
from ruleproxy.proxy.reloading import RulesInForce
from ruleproxy.proxy.shadowing import SHARE, Shadow
from support.running import declared, request


def test_what_is_too_much_is_left_out() -> None:
    """With clocks on which each comparison takes as long as four requests, about one exchange in sixteen is taken."""
    upstreams = declared()
    rules = RulesInForce((), upstreams)
    now = {"own": 0.0, "whole": 0.0}

    def own_time() -> float:
        now["own"] += 2.0  # asked before and after each comparison
        return now["own"]

    shadow = Shadow(
        rules, upstreams, samples=None, known=tuple, clocks=(own_time, lambda: now["whole"] + now["own"] / 2)
    )
    taken = 0
    for _ in range(1600):
        now["whole"] += 0.5
        if not shadow.takes():
            continue
        taken += 1
        recording = Recording(Exchange(rules.current, request({}), upstreams), request({}), (shadow,), 1000)
        recording._complete = True
        recording.finish()
        shadow._thread.submit(lambda: None).result(10)
    shadow.close()
    told = shadow.status()
    assert told["compared"] == taken
    assert told["left_out"] == 1600 - taken
    assert 0 < taken * 2.0 <= SHARE * 800 + 4.0
