"""Actors, critics and action distributions."""
