"""Encoders of grids."""
