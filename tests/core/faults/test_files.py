"""Mistakes that concern a file as a whole: its text, its sections, the losses it is to be trained with."""

import attrs
import pytest

import glulam
from tests.core.faults.corpus import ENV, spots
from tests.core.faults.texts import MARK, SECOND, expected_places


def edited(old, new):
    """Return an edit of the text; the mark in `new` says where the fault must be reported."""

    def edit(text):
        assert old in text
        return text.replace(old, new, 1)

    return edit


def bomb(text):
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True)]
    return MARK + text + "\n".join(lines)


# What is done to `strange` (in flow style), the code, and words of the message.
FILES = {
    "open bracket": (edited("action_head: {", MARK + "action_head: [{"), "GL101", "not YAML", "anywhere"),
    "open quote": (edited("name: strange", f"name: {MARK}'strange"), "GL101", "not YAML", "anywhere"),
    "tab": (edited("layers:\n  -", f"layers:\n{MARK}\t-"), "GL101", "not YAML", "anywhere"),
    "text after a value": (edited("name: strange", f"name: 'strange'{MARK}x"), "GL101", "not YAML", "anywhere"),
    "nul": (lambda text: f"{MARK}\0{text}", "GL101", "not YAML", "anywhere"),
    "long key": (lambda text: f"{text}{MARK}{'k' * 10_000}: 1\n", "GL101", "not YAML", "anywhere"),
    "long key, by hand": (lambda text: f"{text}? {MARK}{'k' * 10_000}\n: 1\n", "GL107", "a key of 10,000 characters"),
    "deep": (lambda text: MARK + "[" * 5000, "GL101", "nesting", "anywhere"),
    "nested": (lambda text: MARK + "[" * 70 + "]" * 70, "GL107", "nests over 60 deep"),
    "bomb": (bomb, "GL107", "over 200,000 values"),
    "2 MiB": (lambda text: MARK + text + "#" * (2 << 20), "GL107", "a policy file holds at most 1,048,576", "nowhere"),
    "a list": (lambda text: MARK + "[1, 2]", "GL103", "a policy is a mapping, found [1, 2]"),
    "empty": (lambda text: MARK + "# nothing\n", "GL103", "a policy is a mapping, found nothing", "nowhere"),
    "no version": (edited("glulam: 1\nname", MARK + "name"), "GL103", "start with 'glulam: 1'"),
    "another version": (edited("glulam: 1", f"glulam: {MARK}2"), "GL104", "format 2; this glulam reads format 1"),
    "version true": (edited("glulam: 1", f"glulam: {MARK}true"), "GL104", "format True"),
    "name a number": (edited("name: strange", f"name: {MARK}3"), "GL104", "name is 3, no string"),
    "unknown section": (edited("name: strange", f"name: strange\n{MARK}sections: []"), "GL102", "'sections'"),
    "misspelt layers": (edited("layers:", f"{MARK}lyers:"), "GL102", "write 'layers'"),
    "misspelt head": (edited("action_head:", f"{MARK}acton_head:"), "GL102", "write 'action_head'"),
    "misspelt shaper": (edited("obs_shaper:", f"{MARK}obs_shapr:"), "GL102", "write 'obs_shaper'"),
    "no shaper": (
        lambda text: MARK + "\n".join(line for line in text.split("\n") if "obs_shaper:" not in line),
        "GL504", "add 'obs_shaper: {layer: token_shaper}'",
    ),
    "no head": (
        lambda text: MARK + "\n".join(line for line in text.split("\n") if "action_head:" not in line),
        "GL103", "add 'action_head: {layer: action_distribution}'",
    ),
    "layers a mapping": (
        lambda text: f"{text[: text.index('layers:')]}layers: {MARK}{{}}\n{text[text.index('action_head'):]}",
        "GL104", "layers is {}, no list",
    ),
    "a layer is a number": (edited("layers:\n", f"layers:\n  - {MARK}3\n"), "GL104", "a layer is a mapping, found 3"),
    "changes without extends": (edited("name: strange", f"name: strange\n{MARK}set: {{}}"), "GL103", "'extends: "),
    "two keys": (edited("name: strange", f"name: strange\n{MARK}name: again"), "GL105", "first in line 2"),
    "tag": (edited("name: strange", f"name: {MARK}!mine strange"), "GL107", "the tag '!mine'"),
    "a mapping for a key": (edited("name: strange", f"name: strange\n? {MARK}[a]\n: 1"), "GL104", "found a list"),
    "extends nobody": (lambda text: f"glulam: 1\nextends: {MARK}fastt\n", "GL106", "write 'fast'"),
}  # fmt: skip


@pytest.mark.parametrize("what", FILES)
def test_a_mistake_in_the_file_is_reported_alone(what, corpus):
    edit, code, words, *where = FILES[what]
    places, text = expected_places(edit("".join(corpus.good["strange"].chunks())))
    found = corpus.faults(text)
    assert [fault.code for fault in found] == [code], "\n\n".join(map(str, found))
    assert words in str(found[0])
    if where == []:
        assert spots(found) == [(code, places[MARK])]
    elif where == ["anywhere"]:  # the parser says where it gave up, which is not where the slip is
        assert found[0].place.line is not None


def test_text_that_is_not_utf_8(corpus):
    corpus.file.write_bytes(b"glulam: 1\nname: \xff\n")
    with pytest.raises(glulam.PolicyError, match="GL107 the file is not UTF-8"):
        glulam.resolve(corpus.file)


@attrs.frozen(kw_only=True)
class Stores(glulam.LossConfig):
    shape: tuple = ()
    frequency: str = "step"

    def experience_spec(self):
        return {"mercurium": glulam.TensorSpec(self.shape, "float32", self.frequency)}


LOSSES = {
    "key that nothing writes": ([{"loss": "wants", "inlet": "mercuryum"}], "GL501", "write 'mercurium'"),
    "unknown loss": (["wnts"], "GL201", "write 'wants'"),
    "unknown field": ([{"loss": "wants", "inlt": "mercurium"}], "GL102", "write 'inlet'"),
    "another rank": ([{"loss": "wants", "inlet": "zincum"}], "GL401", "as 0 dims a row, but yarrow writes 1"),
    "another dtype": ([{"loss": "wants", "inlet": "dones"}], "GL402", "as float, but the environment writes bool"),
    "two shapes": (
        [Stores(), Stores(shape=(3,))],
        "GL502",
        "loss Stores wants 'mercurium' stored as float32[3] per step",
    ),
    "two frequencies": (
        [Stores(), Stores(frequency="segment")],
        "GL502",
        "float32[] per segment, loss Stores as float32[]",
    ),
}


@pytest.mark.parametrize("what", LOSSES)
def test_a_mistake_in_the_losses_is_reported_alone(what, corpus):
    losses, code, words = LOSSES[what]
    found = corpus.faults("".join(corpus.good["strange"].chunks()), losses=losses)
    assert [fault.code for fault in found] == [code], "\n\n".join(map(str, found))
    assert words in str(found[0])


def test_losses_that_fit_are_no_fault(corpus):
    assert corpus.faults("".join(corpus.good["strange"].chunks()), losses=["wants", Stores(), Stores()]) == ()


def test_a_broken_environment_is_reported_with_the_policys_own_faults(corpus):
    text = "".join(corpus.good["strange"].chunks()).replace("arms: 3", "arms: much")
    found = corpus.faults(text, env="nowhere:maze")
    assert [(fault.code, fault.place.path) for fault in found] == [("GL104", "$.layers[1].arms"), ("GL201", "env")]


def previous_action(corpus):
    """Return the text of `fast` with a layer that reads two optional inputs, and where each of them stands."""
    chunks = corpus.good["fast"].chunks()
    layer = f"actions_key: {MARK}last_actions, reward_key: {SECOND}last_rewards, out_key: before"
    chunks[2] = chunks[2].replace("layers:\n", f"layers:\n  - {{layer: previous_action, {layer}}}\n")
    places, text = expected_places("".join(chunks))
    return text, [("GL503", places[MARK]), ("GL503", places[SECOND])]


def test_an_environment_that_offers_an_input_is_no_fault(corpus):
    text, expected = previous_action(corpus)
    assert spots(corpus.faults(text)) == expected
    assert corpus.faults(text, env=attrs.evolve(ENV, optional_inputs=("last_actions", "last_rewards"))) == ()
    assert corpus.faults(text, env=None) == ()
    (left,) = corpus.faults(text, env=attrs.evolve(ENV, optional_inputs=("last_actions",)))
    assert left.message == (
        "reads 'last_rewards', which the environment does not offer (optional inputs it offers: last_actions)"
    )
    (left,) = corpus.faults(text.replace("reward_key: last_rewards", "reward_key: null"))
    assert left.message == (
        "reads 'last_actions', which the environment does not offer (optional inputs it offers: none)"
    )


def test_a_key_that_is_read_where_it_is_offered_is_no_fault_where_it_is_not(corpus):
    text = "".join(corpus.good["fast"].chunks())
    assert text.count("mask_key: action_mask") == 1
    for offered in ((), ("action_mask",)):
        assert corpus.faults(text, env=attrs.evolve(ENV, optional_inputs=offered)) == ()
    # Another optional input in its place: silent where it is not offered, measured against the shape where it is.
    other = text.replace("mask_key: action_mask", "mask_key: last_rewards")
    assert corpus.faults(other) == ()
    found = corpus.faults(other, env=attrs.evolve(ENV, optional_inputs=("last_rewards",)))
    assert [fault.code for fault in found] == ["GL402"]
    (misspelt,) = corpus.faults(text.replace("mask_key: action_mask", "mask_key: action_msak"))
    assert (misspelt.code, misspelt.remedy) == ("GL304", "write 'action_mask'")
