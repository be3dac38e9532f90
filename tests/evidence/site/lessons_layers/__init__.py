"""Layers that only a lesson has a use for."""
