"""Layers that turn the tokens of an observation into numbers."""
