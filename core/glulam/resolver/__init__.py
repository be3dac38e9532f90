"""The resolver: a compiler for policies. It checks all of one before anything is built, and imports no torch."""

from glulam.resolver._graph import key_fields
from glulam.resolver._move import in_environment
from glulam.resolver._resolve import Source, Survey, resolve, survey
from glulam.resolver._resolved import ResolvedLayer, ResolvedPolicy

__all__ = ["ResolvedLayer", "ResolvedPolicy", "Source", "Survey", "in_environment", "key_fields", "resolve", "survey"]
