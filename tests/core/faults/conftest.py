"""The corpus, opened once a worker."""

import pytest

from tests.core.faults.corpus import open_corpus


@pytest.fixture(scope="package")
def corpus():
    with open_corpus() as found:
        yield found
