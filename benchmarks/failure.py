"""The one exception of the benchmarks."""

from __future__ import annotations


class BenchmarkFailed(Exception):
    """Nothing was measured, or nothing that means anything; the text says why."""
