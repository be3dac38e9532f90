"""The contract suite: laws that every layer keeps, looked into by properties.

`test_layer = glulam.testing.contract_tests("my-layers")` is a whole test module. Nothing of it is imported before it is
used; `pip install glulam[testing]` brings what it needs.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from glulam.testing._contract import Exemption as Exemption
    from glulam.testing._contract import contract_tests as contract_tests
    from glulam.testing._contract import examine_distribution as examine_distribution
    from glulam.testing._contract import look_again as look_again
    from glulam.testing._names import LAW_NAMES as LAW_NAMES

_HOMES = {
    "Exemption": "glulam.testing._contract",
    "LAW_NAMES": "glulam.testing._names",
    "contract_tests": "glulam.testing._contract",
    "examine_distribution": "glulam.testing._contract",
    "look_again": "glulam.testing._contract",
}

__all__ = ["LAW_NAMES", "Exemption", "contract_tests", "examine_distribution", "look_again"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever is asked for
    if name not in _HOMES:
        msg = f"module 'glulam.testing' has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(importlib.import_module(_HOMES[name]), name)
