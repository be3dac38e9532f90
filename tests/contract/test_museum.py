"""The suite catches what the museum holds, and finds nothing wrong with the good twins."""

import pytest

from tests.contract.looking import caught_by, subject_of
from tests.contract.museum import EXHIBITS

GOOD = sorted({exhibit.good for exhibit in EXHIBITS}, key=lambda config: config.__name__)


@pytest.mark.parametrize("exhibit", EXHIBITS, ids=lambda exhibit: exhibit.name)
def test_its_law_catches_it(exhibit):
    assert caught_by(subject_of(exhibit.name, exhibit.config), [exhibit.law]), exhibit.bug


@pytest.mark.parametrize("config", GOOD, ids=lambda config: config.__name__)
def test_a_good_layer_breaks_nothing(config):
    laws = dict.fromkeys(exhibit.law for exhibit in EXHIBITS if exhibit.good is config)
    assert caught_by(subject_of(config.__name__, config), laws) == {}
