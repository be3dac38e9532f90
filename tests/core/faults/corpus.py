"""The good policies that the corpus breaks, everything installed that it needs, and the pairs of mistakes."""

import itertools
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

import glulam
from glulam import PolicyError, Registry, resolve
from tests.core.conftest import plugin_folder
from tests.core.faults.mutators import mutators
from tests.core.faults.strange import STRANGE, install_strangers
from tests.core.faults.texts import MARK, SECOND, Policy, expected_places, second

__all__ = ["ENV", "STYLES", "Corpus", "every_pair", "open_corpus", "pair_a_kind", "spots"]

STYLES = {
    "fast": "flow",
    "latent_attn_tiny": "block",
    "latent_attn_small": "flow",
    "latent_attn_med": "block",
    "vit_lstm": "flow",
    "strange": "flow",
}

# A world that offers no optional input.
ENV = glulam.EnvSpec(
    name="corpus",
    tokens=glulam.TokenLayout(count=40),
    view_height=11,
    view_width=11,
    features=(glulam.Feature(name="ore", id=0), glulam.Feature(name="tag", id=1, values="tag")),
    tags=("altar", "mine"),
    actions=glulam.ActionSpec(names=("stay", "north", "south")),
)


class Corpus:
    """Good policies with every field written out, and a way to see what is reported of a text."""

    def __init__(self, registry, folder):
        self.registry, self.site, self.file = registry, folder / "site", folder / "policy.yaml"
        self.good = {name: self._complete(name) for name in STYLES}

    def _complete(self, name):
        resolved = resolve(STRANGE if name == "strange" else name, registry=self.registry)
        mapping = resolved.to_mapping()
        for entry in (mapping["obs_shaper"], *mapping["layers"], mapping["action_head"]):
            entry["layer"] = entry["layer"].rpartition(":")[2]
        return Policy(mapping, [type(layer.config) for layer in resolved.all_layers], STYLES[name])

    def faults(self, text, **options):
        """Return the faults of a policy file that holds a text."""
        self.file.write_text(text, encoding="utf-8")
        try:
            resolve(self.file, registry=self.registry, **{"env": ENV, **options})
        except PolicyError as error:
            return error.faults
        return ()

    def mistake(self, name, mutator):
        """Return what must be reported of a good policy with one mistake, and what is."""
        chunks = self.good[name].chunks()
        mutator.edit(chunks)
        places, text = expected_places("".join(chunks))
        return [(mutator.code, places[MARK])], spots(self.faults(text))

    def mistakes(self, name, one, other):
        """Return what must be reported of a good policy with two mistakes, and what is."""
        chunks = self.good[name].chunks()
        other.edit(chunks)
        chunks = second(chunks)
        one.edit(chunks)
        places, text = expected_places("".join(chunks))
        return sorted([(one.code, places[MARK]), (other.code, places[SECOND])]), spots(self.faults(text))


@contextmanager
def open_corpus():
    """Install the strange distributions beside our own and yield the corpus."""
    with (
        tempfile.TemporaryDirectory() as folder,
        pytest.MonkeyPatch.context() as patch,
        plugin_folder(Path(folder) / "site") as plugins,
    ):
        install_strangers(plugins)
        patch.setenv("GLULAM_IMPORT_SECONDS", "2")  # one of them never ends
        registry = Registry([str(plugins.folder), *sys.path], block=["cursed-blocked"])
        yield Corpus(registry, Path(folder))


def spots(faults):
    """Return faults as `(code, (line, column))`."""
    return sorted((fault.code, (fault.place.line, fault.place.column)) for fault in faults)


def every_pair(policy):
    """Yield the pairs of mistakes in different layers, less those in which one hides what the other rests on."""
    for one, other in itertools.combinations(mutators(policy), 2):
        if not (one.layers & other.layers or _hides(one, other) or _hides(other, one)):
            yield one, other


def pair_a_kind(policy):
    """Yield one pair of mistakes for every two kinds of mistake that can be paired."""
    seen = set()
    for one, other in every_pair(policy):
        kinds = frozenset({one.kind, other.kind})
        if kinds not in seen:
            seen.add(kinds)
            yield one, other


def _hides(one, other):
    return one.layers & other.needs or (one.loses_key and one.layers & other.sources)
