"""`glulam play`: episodes of a policy in the terminal, or in a file."""
