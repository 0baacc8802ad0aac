"""What is measured, how, and against whom: `python -m benchmarks` runs it, docs/benchmarks.md describes it."""
