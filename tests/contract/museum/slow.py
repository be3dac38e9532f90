"""A config whose module takes its time to import; alone, so that no other exhibit's does."""

from __future__ import annotations

import time

import glulam
from tests.contract.museum.exhibit import shown
from tests.contract.museum.good import MapConfig

START, TABLE = time.process_time(), []
while time.process_time() < START + 1.3:  # a large table, on a machine of any speed
    TABLE.append(sum(range(1000)))


@glulam.layer
class SlowToImportConfig(MapConfig):
    """A table that the module needs is computed where its config is imported."""

    rows: int = len(TABLE)


EXHIBITS = [shown(SlowToImportConfig, MapConfig, "quiet_import")]
