"""What has passed, counted: for the status page, and for Prometheus and what reads its text format."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import generate_latest

from ruleproxy import __version__
from ruleproxy.proxy.access_log import Entry

# Models take from a tenth of a second to many minutes; below is what the proxy itself answers.
_BOUNDS = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)


class Durations:
    """How long things took, in seconds, counted in buckets."""

    __slots__ = ("_counts", "total")

    def __init__(self) -> None:
        self._counts = [0] * (len(_BOUNDS) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        self._counts[bisect_left(_BOUNDS, seconds)] += 1
        self.total += seconds

    @property
    def buckets(self) -> list[tuple[str, float]]:
        """Upper bounds, in rising order, and how many took at most as long."""
        found: list[tuple[str, float]] = []
        so_far = 0
        for bound, count in zip((*map(str, _BOUNDS), "+Inf"), self._counts, strict=True):
            so_far += count
            found.append((bound, so_far))
        return found


class Traffic:
    """Counts of requests since the start; those under way are asked of `in_progress`."""

    def __init__(self) -> None:
        self.in_progress: Callable[[], int] = lambda: 0
        self.statuses: Counter[int] = Counter()
        self.retries = 0
        self.retried = 0
        self.cut = 0
        self.first_byte = Durations()
        self.end = Durations()

    def count(self, entry: Entry) -> None:
        """Count a request that is over."""
        self.statuses[entry.status] += 1
        if entry.retries:
            self.retries += entry.retries
            self.retried += 1
        if entry.cut:
            self.cut += 1
        if entry.first is not None:
            self.first_byte.add(entry.first)
        self.end.add(entry.end)

    def status(self) -> dict[str, Any]:
        """What the control page says of it."""
        return {
            "in_progress": self.in_progress(),
            "answered": {str(status): count for status, count in sorted(self.statuses.items())},
            "cut": self.cut,
            "retried": self.retried,
            "retries": self.retries,
        }


def render_metrics(traffic: Traffic, rules: Mapping[str, Any]) -> bytes:
    """Everything in Prometheus' text format; `rules` is what `RulesInForce.status()` returns."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(traffic, rules))
    return generate_latest(registry)


class _Collector:
    def __init__(self, traffic: Traffic, rules: Mapping[str, Any]) -> None:
        self._traffic = traffic
        self._rules = rules

    def collect(self) -> Iterable[Metric]:
        traffic, rules = self._traffic, self._rules["rules"]
        yield InfoMetricFamily(
            "ruleproxy",
            "The version, and the hash of the rules in force",
            {"version": __version__, "rules": rules["hash"]},
        )
        requests = CounterMetricFamily(
            "ruleproxy_requests", "Requests that are over, by the status that the client got", labels=["status"]
        )
        for status, count in sorted(traffic.statuses.items()):
            requests.add_metric([str(status)], count)
        yield requests
        yield GaugeMetricFamily("ruleproxy_requests_in_progress", "Requests under way", traffic.in_progress())
        yield CounterMetricFamily(
            "ruleproxy_requests_retried", "Requests that were sent upstream more than once", traffic.retried
        )
        yield CounterMetricFamily("ruleproxy_retries", "Requests sent again", traffic.retries)
        yield CounterMetricFamily("ruleproxy_answers_cut", "Answers that ended before they were complete", traffic.cut)
        yield _histogram(
            "ruleproxy_first_byte_seconds", "From a request's first byte to its answer's first", traffic.first_byte
        )
        yield _histogram("ruleproxy_response_seconds", "From a request's first byte to its answer's last", traffic.end)
        verdicts = CounterMetricFamily(
            "ruleproxy_rule_verdicts", "What rules did, unmatched and unreached left out", labels=["rule", "verdict"]
        )
        for rule, counts in self._rules["verdicts"].items():
            for verdict, count in counts.items():
                verdicts.add_metric([rule, verdict], count)
        yield verdicts
        yield GaugeMetricFamily("ruleproxy_rules", "Rules in force", rules["count"])
        yield GaugeMetricFamily("ruleproxy_rules_learned", "Rules learned since the rules changed", rules["learned"])
        yield CounterMetricFamily("ruleproxy_rules_reloads", "Changed rules that came into force", rules["reloads"])
        yield GaugeMetricFamily(
            "ruleproxy_rules_rejected",
            "1 while the rules on disk are wrong and older ones stay in force",
            int(self._rules["rejected"] is not None),
        )


def _histogram(name: str, meaning: str, durations: Durations) -> HistogramMetricFamily:
    return HistogramMetricFamily(name, meaning, buckets=durations.buckets, sum_value=durations.total)
