"""The corpus, opened once a worker; its distributions are in sight in these tests alone."""

import os
import sys

import pytest

from tests.core.faults.corpus import open_corpus

LIMIT = "GLULAM_IMPORT_SECONDS"


@pytest.fixture(scope="session")
def corpus():
    with open_corpus() as found:
        sys.path.remove(str(found.site))
        found.limit = os.environ.pop(LIMIT)
        yield found


@pytest.fixture(autouse=True)
def _in_sight(corpus, monkeypatch):
    monkeypatch.syspath_prepend(str(corpus.site))
    monkeypatch.setenv(LIMIT, corpus.limit)
