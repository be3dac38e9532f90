"""Observation tokens: shaping, boxes and Fourier features."""
