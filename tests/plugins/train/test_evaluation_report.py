"""A report over several seeds. Oracle: `evaluate_policy` seed by seed, and all resamples written out."""

import json
from importlib.metadata import version
from itertools import product

import numpy as np
import pytest
import torch
from click.testing import CliRunner

import glulam
from glulam import GlulamError
from glulam.checkpoint import read_checkpoint
from glulam_train import commands
from glulam_train.evaluation import evaluate_policy
from glulam_train.evaluation_report import _interval, evaluate_checkpoint, summary


@pytest.fixture(scope="module")
def checkpoint(toy_mill, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "toy.safetensors"
    torch.manual_seed(0)
    glulam.save(glulam.build("toy", "toy:cues"), path)
    return path


def call(*arguments):
    return CliRunner().invoke(commands.evaluate, [str(argument) for argument in arguments])


def test_each_seed_is_what_it_is_alone_and_the_whole_is_their_mean(checkpoint):
    report = evaluate_checkpoint(checkpoint, "toy:cues", 12, (0, 3))
    policy = glulam.load(checkpoint)
    for one, seed in zip(report["seeds"], (0, 3), strict=True):
        alone = evaluate_policy(policy, "toy:cues", 12, seed)
        assert {key: one[key] for key in alone if key in one} == {key: alone[key] for key in alone if key in one}
        assert np.mean(one["returns"]) == pytest.approx(alone["return_mean"])
        assert np.mean(one["lengths"]) == pytest.approx(alone["length_mean"])
        assert len(one["returns"]) == len(one["lengths"]) == len(one["worlds"]) == 12
    everything = [number for one in report["seeds"] for number in one["returns"]]
    assert report["episodes"] == 24
    assert report["return_mean"] == pytest.approx(np.mean(everything))
    assert json.loads(json.dumps(report)) == report


def test_the_intervals_take_a_worlds_agents_together(checkpoint):
    """Oracle: the sums of worlds, of all seeds in a row, by hand."""
    report = evaluate_checkpoint(checkpoint, "toy:cues", 12, (0, 3))
    sums, counts = {}, {}
    for place, one in enumerate(report["seeds"]):
        for world, number in zip(one["worlds"], one["returns"], strict=True):
            sums[place, world] = sums.get((place, world), 0) + number
            counts[place, world] = counts.get((place, world), 0) + 1
    assert set(counts.values()) == {2}
    assert len(sums) == 12
    means = np.array(list(sums.values())) / 2
    assert report["return_ci95"] == pytest.approx(1.96 * means.std(ddof=1) / len(means) ** 0.5)
    drawn = np.random.default_rng(1).choice(means, (40_000, len(means))).mean(1)
    assert report["return_interval95"] == pytest.approx(np.percentile(drawn, [2.5, 97.5]).tolist(), abs=0.05)


def test_groups_of_unequal_size_are_resampled_whole():
    """Oracle: the percentiles of all 27 resamples of three groups."""
    groups = [[1.0], [2.0, 6.0], [3.0, 3.0, 9.0]]
    means = [np.concatenate([groups[place] for place in drawn]).mean() for drawn in product(range(3), repeat=3)]
    found = _interval(torch.tensor([number for group in groups for number in group]), torch.tensor([0, 1, 1, 2, 2, 2]))
    assert found == pytest.approx(np.percentile(means, [2.5, 97.5], method="inverted_cdf").tolist(), abs=0.6)
    assert (round(found[0], 6), round(found[1], 6)) == (1.0, 5.0)


def test_one_world_has_no_interval(checkpoint):
    report = evaluate_checkpoint(checkpoint, "toy:cues", 2, (0,))
    assert report["return_ci95"] is None
    assert report["return_interval95"] is None


def test_it_says_what_was_evaluated_and_with_what(checkpoint):
    report = evaluate_checkpoint(checkpoint, "toy:cues", 2, (0,), greedy=True)
    header = read_checkpoint(checkpoint).header
    assert report["policy"] == {"name": "toy", "sha256": header["sha256"], "lock": header["lock"]}
    assert report["actions"] == "greedy"
    assert report["versions"]["toy-mill"] == "1.0"
    assert report["versions"]["torch"] == version("torch")
    assert (report["checkpoint"], report["environment"]) == (str(checkpoint), "toy:cues")


def test_versions_of_what_an_environment_is_made_of_are_there(checkpoint):
    from glulam_train.evaluation_report import _versions

    found = _versions("gymnasium:CartPole-v1", {})
    assert {name: found[name] for name in ("glulam-gymnasium", "gymnasium", "minigrid")} == {
        name: version(name) for name in ("glulam-gymnasium", "gymnasium", "minigrid")
    }


def test_it_tells_how_far_it_is(checkpoint):
    counts = []
    evaluate_checkpoint(checkpoint, "toy:cues", 12, (0, 3), watch=counts.append)
    assert sum(counts) == 24
    assert len(counts) > 2


class TestCommand:
    def test_several_seeds_are_lines_and_a_mean(self, checkpoint, tmp_path):
        out = tmp_path / "new" / "report.json"
        result = call(checkpoint, "--env", "toy:cues", "--episodes", 12, "--seeds", "0,3", "--json", out)
        assert result.exit_code == 0, result.output
        report = json.loads(out.read_text())
        assert report == evaluate_checkpoint(checkpoint, "toy:cues", 12, (0, 3))
        low, high = report["return_interval95"]
        assert result.stdout.splitlines() == [
            f"  seed 0     return {report['seeds'][0]['return_mean']:.3f}",
            f"  seed 3     return {report['seeds'][1]['return_mean']:.3f}",
            (
                f"return {report['return_mean']:.3f} [{low:.3f}, {high:.3f}] over 24 episodes of "
                f"{report['length_mean']:.1f} steps in toy:cues, seeds 0, 3"
            ),
        ]

    def test_json_of_several_seeds_is_one_line(self, checkpoint):
        result = call(checkpoint, "--env", "toy:cues", "--episodes", 4, "--seeds", 2, "--format", "json")
        assert json.loads(result.stdout) == summary(evaluate_checkpoint(checkpoint, "toy:cues", 4, (0, 1)))
        assert json.loads(result.stdout)["seeds"] == [0, 1]
        assert result.stdout.count("\n") == 1

    def test_drawn_actions_are_the_default(self, checkpoint):
        plain, sampled, greedy = (
            call(checkpoint, "--env", "toy:cues", "--episodes", 40, *more).stdout
            for more in ([], ["--sampled"], ["--greedy"])
        )
        assert plain == sampled != greedy

    @pytest.mark.parametrize("text", ["0", "-1", "2,2", "1,-2", "a", "", ","])
    def test_seeds_that_are_none(self, checkpoint, text):
        result = call(checkpoint, "--env", "toy:cues", "--seeds", text)
        assert result.exit_code == 2
        assert f"{text!r}: write a number of seeds such as 5, or a list such as 0,3,7" in " ".join(
            result.stderr.split()
        )

    def test_a_seed_and_seeds(self, checkpoint):
        result = call(checkpoint, "--env", "toy:cues", "--seeds", 2, "--seed", 0)
        assert result.exit_code == 2
        assert "write --seed or --seeds, not both" in result.stderr

    def test_a_report_that_cannot_be_written(self, checkpoint, tmp_path):
        (tmp_path / "taken").write_text("a file")
        result = call(checkpoint, "--env", "toy:cues", "--episodes", 2, "--json", tmp_path / "taken" / "report.json")
        assert isinstance(result.exception, GlulamError)
        assert f"cannot write {tmp_path / 'taken' / 'report.json'}: " in str(result.exception)
