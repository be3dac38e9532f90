"""The corpus of broken policies: one mistake, two mistakes, none; each reported where it stands and nothing else."""

import itertools
from collections import Counter

import pytest

from glulam import PolicyError, resolve
from tests.core.faults.conftest import POLICIES
from tests.core.faults.mutators import MARK, SECOND, expected_places, mutators, second


@pytest.fixture
def report(tmp_path, corpus_registry, corpus_env):
    """Write a text to a file, resolve it, and return what is reported as `(code, line, column)`."""

    def resolve_text(text):
        path = tmp_path / "policy.yaml"
        path.write_text(text, encoding="utf-8")
        try:
            resolve(path, env=corpus_env, registry=corpus_registry)
        except PolicyError as error:
            return error.faults
        return ()

    return resolve_text


def spots(faults):
    return sorted((fault.code, (fault.place.line, fault.place.column)) for fault in faults)


@pytest.mark.parametrize("name", POLICIES)
def test_a_good_policy_has_no_faults(name, good, report):
    assert report("".join(good[name].chunks())) == ()


@pytest.mark.parametrize("name", POLICIES)
def test_each_mistake_is_reported_where_it_stands_and_nothing_else(name, good, report):
    wrong = []
    for mutator in mutators(good[name]):
        chunks = good[name].chunks()
        mutator.edit(chunks)
        places, text = expected_places("".join(chunks))
        found = report(text)
        if spots(found) != [(mutator.code, places[MARK])]:
            wrong.append((mutator.name, (mutator.code, places[MARK]), spots(found), [f.message for f in found]))
    assert wrong == [], "\n".join(map(str, wrong))


@pytest.mark.parametrize("name", POLICIES)
def test_two_mistakes_in_different_layers_are_both_reported_and_nothing_else(name, good, report):
    wrong, tried = [], 0
    for one, other in pairs(mutators(good[name])):
        chunks = good[name].chunks()
        other.edit(chunks)
        chunks = second(chunks)
        one.edit(chunks)
        places, text = expected_places("".join(chunks))
        expected = sorted([(one.code, places[MARK]), (other.code, places[SECOND])])
        tried += 1
        found = spots(report(text))
        if found != expected:
            wrong.append((one.name, other.name, expected, found))
    assert wrong[:20] == [], f"{len(wrong)} of {tried}"
    assert tried > 1000


def pairs(found):
    """Yield the pairs whose layers differ, less those in which one fault rests on a width that the other hides."""
    for one, other in itertools.combinations(found, 2):
        if not one.layers & other.layers and not one.layers & other.needs and not other.layers & one.needs:
            if not ({-1} & one.needs and other.code.startswith("GL2")) :
                yield one, other
