"""Linear maps, activations, norms and joins."""
