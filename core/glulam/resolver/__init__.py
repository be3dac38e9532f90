"""The resolver: a compiler for policies. It checks all of one before anything is built, and imports no torch."""

from glulam.resolver._resolve import ResolvedLayer, ResolvedPolicy, Source, resolve

__all__ = ["ResolvedLayer", "ResolvedPolicy", "Source", "resolve"]
