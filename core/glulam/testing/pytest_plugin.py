"""pytest's options for contract tests. Imports nothing: every run of pytest where glulam is installed loads it."""

from __future__ import annotations

from typing import Any

__all__ = ["pytest_addoption"]


def pytest_addoption(parser: Any) -> None:  # noqa: ANN401 - pytest's own type, which would have to be imported
    """Add `--glulam-level` and `--glulam-seed`."""
    group = parser.getgroup("glulam")
    group.addoption("--glulam-level", choices=("quick", "full"), default="quick", help="How deep contract tests look.")
    group.addoption(
        "--glulam-seed", type=int, default=None, help="Seed of what they draw; the same each time if left out."
    )
