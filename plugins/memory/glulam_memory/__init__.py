"""Recurrent memory layers."""
