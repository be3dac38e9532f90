"""The suite catches what the museum holds, and finds nothing wrong with the good twins."""

import pytest

from glulam.testing import LAW_NAMES
from glulam.testing._laws import LAWS
from tests.contract.looking import caught_by, subject_of
from tests.contract.museum import EXHIBITS

QUICK = [law for law in LAW_NAMES if not LAWS[law].slow]
GOOD = sorted({exhibit.good for exhibit in EXHIBITS}, key=lambda config: config.__name__)


@pytest.mark.parametrize("exhibit", EXHIBITS, ids=lambda exhibit: exhibit.name)
def test_it_is_caught(exhibit):
    """By the law that is meant for it, or by another."""
    subject = subject_of(exhibit.name, exhibit.config)
    assert caught_by(subject, [exhibit.law]) or caught_by(subject, QUICK), exhibit.bug


@pytest.mark.parametrize("config", GOOD, ids=lambda config: config.__name__)
def test_a_good_layer_breaks_nothing(config):
    laws = dict.fromkeys(exhibit.law for exhibit in EXHIBITS if exhibit.good is config)
    assert caught_by(subject_of(config.__name__, config), laws) == {}
