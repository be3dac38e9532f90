"""Every layer that this project registers keeps the laws of glulam's contract suite."""

import glulam.testing

test_layer = glulam.testing.contract_tests("plugin-name")
