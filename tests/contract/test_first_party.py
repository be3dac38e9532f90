"""Our own plugins keep the contract that strangers' do, by the same line."""

import glulam.testing

test_attention = glulam.testing.contract_tests("glulam-attention")
test_basics = glulam.testing.contract_tests("glulam-basics")
test_heads = glulam.testing.contract_tests("glulam-heads")
test_memory = glulam.testing.contract_tests("glulam-memory")
test_tokens = glulam.testing.contract_tests("glulam-tokens")
test_vision = glulam.testing.contract_tests("glulam-vision")
