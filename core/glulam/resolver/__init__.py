"""The resolver: a compiler for policies. It checks all of one before anything is built, and imports no torch."""

from glulam.resolver._move import in_environment
from glulam.resolver._resolve import Source, resolve
from glulam.resolver._resolved import ResolvedLayer, ResolvedPolicy

__all__ = ["ResolvedLayer", "ResolvedPolicy", "Source", "in_environment", "resolve"]
