"""Experiments too long for `make test`; each writes one file under docs/results."""
