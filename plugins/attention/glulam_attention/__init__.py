"""Attention encoders of token sets."""
