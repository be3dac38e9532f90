"""The files of the lessons are sweeps, and the layer that is made for one is what it says."""

from pathlib import Path

import pytest
import torch

from glulam_memory.configs import LstmConfig
from glulam_train.sweep.plan import make_plan
from glulam_train.sweep.sweep_file import read_sweep
from tests.evidence.claims import Claim, Verdict
from tests.evidence.lessons import FOLDER, LESSONS, SITE
from tests.evidence.verdicts import VERDICTS


@pytest.fixture(autouse=True)
def site(monkeypatch):
    monkeypatch.syspath_prepend(str(SITE))


@pytest.mark.parametrize("name", LESSONS)
def test_each_can_be_run(name, tmp_path):
    plan = make_plan(read_sweep(FOLDER / f"{name}.yaml"), tmp_path)
    compared = [variant for variant in plan.sweep.variants if len(variant.seeds) > 1]
    assert all(len(variant.seeds) >= 5 for variant in compared)
    assert len(compared) >= 2


def test_none_is_forgotten():
    files = {path.stem for path in Path(FOLDER).glob("*.yaml") if path.read_text().find("glulam_sweep: 1") >= 0}
    assert files == {*LESSONS}


def test_the_deaf_lstm_hears_the_first_reset_alone():
    from lessons_layers.configs import DeafLstmConfig

    torch.manual_seed(0)
    deaf = DeafLstmConfig(in_dim=3, hidden_size=4).build()
    hears = LstmConfig(in_dim=3, hidden_size=4).build()
    hears.load_state_dict(deaf.state_dict())
    x, state = torch.randn(2, 5, 3), {key: torch.randn(value.shape) for key, value in hears.initial_state(2).items()}
    inside = torch.zeros(2, 5, dtype=torch.bool)
    inside[0, 2] = True
    first = torch.zeros_like(inside)
    first[:, 0] = True
    torch.testing.assert_close(deaf.sequence(x, first | inside, state)[0], hears.sequence(x, first, state)[0])
    assert not torch.allclose(hears.sequence(x, first | inside, state)[0], hears.sequence(x, first, state)[0])


class TestVerdicts:
    """Oracle: runs whose returns leave no doubt, and none of whose resamples do."""

    @pytest.fixture
    def result(self):
        ends = {"low": (1.0, 2.0, 1.5), "high": (11.0, 12.0, 13.0), "wide": (0.0, 12.0, 6.0)}
        runs = [
            {"variant": name, "state": "finished", "final_return": value, "area": -value}
            for name, values in ends.items()
            for value in values
        ]
        differences = {"low": None, "high": {"low": 9.0, "high": 11.0}, "wide": {"low": -2.0, "high": 9.0}}
        return {"runs": runs, "variants": [{"variant": name, "difference": differences[name]} for name in ends]}

    @pytest.mark.parametrize(
        ("claim", "words"),
        [
            (Claim("high", "above", "low"), "* `high` is above `low` at the end: +10.50 ["),
            (Claim("low", "below", "high"), "* `low` is below `high` at the end: -10.50 ["),
            (Claim("wide", "like", "low"), "* `wide` cannot be told from `low` at the end: +4.50 ["),
            (Claim("high", "below", "low", "area"), "* `high` is below `low` over the whole training: -10.50 ["),
        ],
    )
    def test_a_claim_is_told_with_its_figures(self, result, claim, words):
        assert claim.told(result).startswith(words)

    @pytest.mark.parametrize(
        "claim",
        [Claim("high", "below", "low"), Claim("high", "like", "low"), Claim("wide", "above", "low")],
    )
    def test_a_claim_against_the_figures_is_none(self, result, claim):
        with pytest.raises(ValueError, match=r"the results say otherwise than Claim\(.*: the difference is \+"):
            claim.told(result)

    def test_without_words_the_intervals_speak(self, result):
        assert Verdict("title")(result) == (
            "`high` end above `low`, by intervals that leave out zero.\n"
            "`wide` cannot be told from `low` with these seeds and steps."
        )

    def test_every_sweep_has_one(self):
        assert {*VERDICTS} == {*LESSONS}
