"""Our own plugins keep the contract that strangers' do, by the same line.

All are looked into at the quick level and compiled; those that changed since the evidence was gathered, deeply.
"""

import pytest

import glulam.testing
from tests.contract.changed import changed

test_attention = glulam.testing.contract_tests("glulam-attention")
test_basics = glulam.testing.contract_tests("glulam-basics")
test_heads = glulam.testing.contract_tests("glulam-heads")
test_memory = glulam.testing.contract_tests("glulam-memory")
test_tokens = glulam.testing.contract_tests("glulam-tokens")
test_vision = glulam.testing.contract_tests("glulam-vision")

COMPILED = {"laws": ["compiles"], "level": "full"}
test_attention_compiles = glulam.testing.contract_tests("glulam-attention", **COMPILED)
test_basics_compiles = glulam.testing.contract_tests("glulam-basics", **COMPILED)
test_heads_compiles = glulam.testing.contract_tests("glulam-heads", **COMPILED)
test_memory_compiles = glulam.testing.contract_tests("glulam-memory", **COMPILED)
test_tokens_compiles = glulam.testing.contract_tests("glulam-tokens", **COMPILED)
test_vision_compiles = glulam.testing.contract_tests("glulam-vision", **COMPILED)


@pytest.mark.parametrize("distribution", changed())
def test_what_changed_keeps_it_in_depth(distribution):
    broken = [
        f"{verdict.layer} {verdict.law}: {verdict.told}\n{verdict.reproduction}"
        for verdict in glulam.testing.examine_distribution(distribution, level="full")
        if verdict.outcome == "broken"
    ]
    assert not broken, "\n\n".join(broken)
