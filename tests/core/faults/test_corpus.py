"""The corpus of broken policies: one mistake, two mistakes, none; each reported where it stands and nothing else."""

import pytest

from glulam.explain import RULES
from tests.core.faults.corpus import STYLES, every_pair, pair_a_kind
from tests.core.faults.mutators import mutators
from tests.core.faults.test_changes import CHANGES
from tests.core.faults.test_files import FILES, LOSSES

POLICIES = tuple(STYLES)
PAIRED = ("fast", "latent_attn_tiny", "strange")  # half a minute each; of the others every pair is evidence


@pytest.mark.parametrize("name", POLICIES)
def test_a_good_policy_has_no_faults(name, corpus):
    assert corpus.faults("".join(corpus.good[name].chunks())) == ()


@pytest.mark.parametrize("name", POLICIES)
def test_each_mistake_is_reported_where_it_stands_and_nothing_else(name, corpus):
    wrong = []
    for mutator in mutators(corpus.good[name]):
        expected, found = corpus.mistake(name, mutator)
        if found != expected:
            wrong.append((mutator.name, expected, found))
    assert wrong == [], "\n".join(map(str, wrong))


@pytest.mark.parametrize("name", PAIRED)
def test_two_mistakes_of_every_two_kinds_are_both_reported_and_nothing_else(name, corpus):
    pairs = list(pair_a_kind(corpus.good[name]))
    assert len(pairs) > 1000
    assert _wrong(corpus, name, pairs) == []


@pytest.mark.evidence
@pytest.mark.parametrize("name", POLICIES)
def test_every_two_mistakes_in_different_layers_are_both_reported_and_nothing_else(name, corpus):
    pairs = list(every_pair(corpus.good[name]))
    assert len(pairs) > 20_000
    assert _wrong(corpus, name, pairs) == []


def test_the_corpus_is_large_and_has_every_code(corpus):
    codes = [mutator.code for name in POLICIES for mutator in mutators(corpus.good[name])]
    codes += [code for _, code, *_ in FILES.values()] + [code for _, code in CHANGES.values()]
    codes += [code for _, code, *_ in LOSSES.values()]
    assert len(codes) >= 80
    assert set(codes) == set(RULES)


def test_a_sabotaged_resolver_fails_the_corpus(corpus, monkeypatch):
    """The test can fail: without its third pass the resolver misses what that pass finds."""
    monkeypatch.setattr("glulam.resolver._resolve.check_keys", lambda graph: [])
    missed = {m.code for m in mutators(corpus.good["fast"]) if corpus.mistake("fast", m)[1] == []}
    assert missed == {"GL301", "GL302", "GL303", "GL304", "GL305", "GL503"}


def _wrong(corpus, name, pairs):
    wrong = []
    for one, other in pairs:
        expected, found = corpus.mistakes(name, one, other)
        if found != expected:
            wrong.append((one.name, other.name, expected, found))
    return wrong[:20]
