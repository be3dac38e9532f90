"""Memory layers, recurrent and attending."""
