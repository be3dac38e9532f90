"""The memory law itself: it holds for our LSTM, and notices what it is there to notice."""

import dataclasses
import subprocess

import pytest
import torch

from tests.downstream import memory_law, torchrl_lstm


def losing(what):
    """Our LSTM with one fault in its sequences."""

    def make(layers, seed):
        memory = memory_law.glulam_lstm(layers, seed)

        def sequence(x, reset, state):
            if what == "a reset":
                reset = reset.clone()
                reset[0, -1] = False
            y, after = memory.sequence(x, reset, state)
            if what == "the state":
                after = tuple(torch.where(reset[:, -1, None, None], 0.0, part) for part in after)
            return y, after

        return dataclasses.replace(memory, sequence=sequence)

    return make


def test_it_holds_for_our_lstm():
    rows = memory_law.measure(memory_law.glulam_lstm, 30)
    assert len(rows) == 30
    assert max(max(found.values()) for _, found, _ in rows) < 1e-6
    assert min(effect for *_, effect in rows if effect is not None) > 1e-3


def test_draws_are_the_same_each_time():
    first, second = (memory_law.measure(memory_law.glulam_lstm, 20) for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("what", "kind", "resets"),
    [
        ("a reset", "outputs", "resets 1, layers 1, cut 1"),
        ("the state", "state", "resets 1, layers 1, cut 1"),
        ("the state", "handed_on", "resets 10, layers 1, cut 1"),
    ],
)
def test_control_a_fault_is_found_and_shrunk(what, kind, resets):
    assert str(memory_law.smallest(losing(what), kind, 200)) == f"{resets}, seed 0"


def test_a_number_that_is_none_is_a_difference():
    assert memory_law._differs(float("nan"))
    assert not memory_law._differs(9e-6)


@pytest.mark.parametrize(
    ("words", "padded"),
    [("0", False), ("100", False), ("001", True), ("010", False), ("0100", False), ("000 010", True), ("11 11", False)],
)
def test_where_a_rows_last_episode_is_padded(words, padded):
    assert torchrl_lstm.is_last_episode_padded(f"resets {words}, layers 1, cut 1, seed 0") == padded


@pytest.mark.parametrize(
    ("label", "count", "message"),
    [
        ("torchrl 0.12.0", 66, None),
        ("torchrl 0.12.0", 0, "torchrl 0.12.0: the memory law should fail, but 0 of 100 draws disagree."),
        ("torchrl 0.14.1", 0, None),
        ("torchrl 0.14.1", 3, "torchrl 0.14.1: the memory law should hold, but 3 of 100 draws disagree."),
        ("torchrl-not-zeroed 0.14.1", 85, None),
    ],
)
def test_a_release_that_is_not_as_expected_is_told(label, count, message):
    one = {"label": label, "exit": int(count > 0), "disagree": count, "examples": 100}
    assert torchrl_lstm._fault(one) == message


def test_a_release_that_cannot_be_installed_ends_it(monkeypatch, tmp_path):
    monkeypatch.setattr(torchrl_lstm.venv, "create", lambda *args, **options: None)
    done = subprocess.CompletedProcess((), 1, stderr="no such release")
    monkeypatch.setattr(torchrl_lstm, "_run", lambda *command: done)
    with pytest.raises(
        SystemExit, match=r"torchrl 0.0.9 could not be installed \(torchrl==0.0.9 .*\):\nno such release"
    ):
        torchrl_lstm.install(tmp_path, "0.0.9")
