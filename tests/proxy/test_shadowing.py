"""Comparing in shadow keeps to its part of the processor's time, and to the limits of what is live."""

from __future__ import annotations

from pathlib import Path

from ruleproxy.engine.arriving import Limits
from ruleproxy.engine.events import UpstreamData, UpstreamHead
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


def test_what_is_too_large_for_the_live_rules_is_so_for_others(tmp_path: Path) -> None:
    """An answer that no rule may read whole is the same error under both sets, and no difference."""
    upstreams, limits = declared(), Limits(answer=10)
    both = []
    for name in ("live", "shadow"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "a.rules").write_text(
            f'edition 1\n\nrule "{name}" on response\nwhen not response.streamed then\n'
            f"  strip response.body.{name}\nend\n"
        )
        both.append(RulesInForce((folder,), upstreams))
        assert both[-1].load_first().ruleset is not None
    live, beside = both
    shadow = Shadow(beside, upstreams, samples=None, known=tuple, limits=limits)
    exchange = Exchange(live.current, request({}), upstreams, limits=limits)
    recording = Recording(exchange, request({}), (shadow,), 1000)
    recording.begin()
    recording.receive(UpstreamHead(200, [(b"content-type", b"application/json")]))
    recording.receive(UpstreamData(b'{"live":1,"shadow":2}'))
    recording.finish()
    shadow.close()
    told = shadow.status()
    assert (told["compared"], told["differing"], told["left_out"]) == (1, 0, 0)
    answer = recording.client_answer()
    assert answer is not None
    assert answer.status == 502
