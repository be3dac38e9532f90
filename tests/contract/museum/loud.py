"""A config whose module prints when it is imported; alone, so that no other exhibit's does."""

from __future__ import annotations

import glulam
from tests.contract.museum.exhibit import shown
from tests.contract.museum.good import MapConfig

print("museum: thank you for using these layers")  # noqa: T201 - the exhibit


@glulam.layer
class PrintsAtImportConfig(MapConfig):
    """Importing its config prints."""


EXHIBITS = [shown(PrintsAtImportConfig, MapConfig, "quiet_import")]
