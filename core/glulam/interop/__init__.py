"""Adapters to other people's training loops; each imports its library only when it is imported itself."""
