"""`glulam sweep`: variants of a policy and its training over several seeds, and what the numbers are worth."""
