"""Benchmarks, one module each: `python -m tests.benchmarks.NAME` measures and writes `docs/results/NAME.json`."""
