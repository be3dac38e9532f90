"""Layers for glulam."""
