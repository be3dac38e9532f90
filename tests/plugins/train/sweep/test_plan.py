"""From variants to runs: policies whole, settings by field, `{after}`, order."""

import attrs
import pytest

import glulam
from glulam import GlulamError
from glulam_train.settings import read_settings

GROWN = """
  grown: {after: plain, settings: {losses: [ppo, {loss: kickstart, teacher: "{after}/checkpoint.safetensors"}]}}
  plain: {}
  one: {after: {variant: plain, seed: 1}, settings: {init_from: "{after}/checkpoint.safetensors"}}
"""


def test_a_run_waits_for_the_one_that_it_comes_after(planned):
    plan = planned("{c: {after: b}, b: {after: {variant: a, seed: 1}}, a: {}}")
    keys = [cell.key for cell in plan.cells]
    assert sorted(keys) == [(name, seed) for name in "abc" for seed in (0, 1)]
    for cell in plan.cells:
        assert cell.after is None or keys.index(cell.after) < keys.index(cell.key)


def test_after_is_the_folder_of_the_run_before_however_deep_it_stands(planned, tmp_path):
    cells = {cell.key: cell for cell in planned(GROWN).cells}
    teacher = cells["grown", 1].settings.losses[1]["teacher"]
    assert teacher == str(tmp_path / "out" / "plain" / "seed_1" / "checkpoint.safetensors")
    assert cells["plain", 1].folder == tmp_path / "out" / "plain" / "seed_1"
    for seed in (0, 1):
        assert cells["one", seed].settings.init_from == str(cells["plain", 1].folder / "checkpoint.safetensors")


def test_settings_are_those_of_the_plain_command(planned, tmp_path):
    head_of = {"num_envs": 4, "horizon": 8, "minibatches": 2, "tensorboard": False, "checkpoint_interval": 128}
    plan = planned("{a: {settings: {ppo.clip: 0.1, ppo.entropy_coef: 1e-3, epochs: 1}}}")
    expected = read_settings(
        None,
        ["ppo.clip=0.1", "ppo.entropy_coef=0.001", "epochs=1", "threads=1"],
        **head_of,
        policy=str(tmp_path / "out" / "a" / "policy.yaml"),
        env="toy:cues",
        steps=512,
        seed=1,
    )
    assert plan.cells[1].settings == expected


def test_a_variant_without_changes_has_the_policy_as_it_is(planned):
    assert planned().policies == {"plain": glulam.resolve("toy").to_mapping()}


def test_changes_are_those_of_a_policy_file(planned, tmp_path):
    (tmp_path / "base.yaml").write_text("glulam: 1\nname: base\nextends: toy\nset: {toy_memory.keep: 0.5}\n")
    plan = planned("{plain: {policy: base.yaml}, other: {policy: base.yaml, set: {toy_memory.keep: 1e-1}}}")
    keeps = {name: policy["layers"][0]["keep"] for name, policy in plan.policies.items()}
    assert keeps == {"plain": 0.5, "other": 0.1}
    assert [policy["name"] for policy in plan.policies.values()] == ["base", "other"]


class TestTrial:
    def test_it_is_a_run_of_a_few_updates_for_each_variant(self, planned, tmp_path):
        plan = planned("{plain: {}, one: {seeds: [3, 1], env: 'toy:short'}}")
        trial = plan.trial(tmp_path / "trial", plan.sweep.variants, 4)
        assert [cell.key for cell in trial.cells] == [("plain", 0), ("one", 3)]
        assert [cell.settings.steps for cell in trial.cells] == [4 * 4 * 2 * 8, 4 * 4 * 1 * 8]
        assert trial.cells[0].folder == tmp_path / "trial" / "plain" / "seed_0"
        free = {"steps": 1, "policy": "toy"}
        assert attrs.evolve(trial.cells[0].settings, **free) == attrs.evolve(plan.cells[0].settings, **free)

    def test_it_goes_on_from_the_trial_of_the_variant_before(self, planned, tmp_path):
        plan = planned(GROWN)
        cells = {cell.variant: cell for cell in plan.trial(tmp_path / "trial", plan.sweep.variants, 4).cells}
        plain = tmp_path / "trial" / "plain" / "seed_0"
        assert cells["one"].settings.init_from == str(plain / "checkpoint.safetensors")
        assert (cells["one"].after, cells["grown"].after) == (("plain", 0), ("plain", 0))


REFUSED = {
    "{a: {policy: tyo}}": "variants.a: its policy, environment or losses do not fit:\ntyo: GL201 ",
    "{a: {policy: none.yaml}}": "none.yaml: GL107 cannot read the file: No such file or directory",
    "{a: {set: {toy_memory.kept: 1}}}": "variants.a: its policy, environment or losses do not fit:\npolicy: GL102 ",
    "{a: {remove: [memory]}}": "at $.remove[0]",
    "{a: {env: 'toy:none'}}": "no task 'none' in toy",
    "{a: {env: 'missing:cues'}}": "unknown environment 'missing'",
    "{a: {env: world.yaml}}": "variants.a: env 'world.yaml' is a spec, in which nothing can be played: write FAM",
    "{a: {settings: {losses: [nope]}}}": "unknown loss 'nope'",
    "{a: {settings: {ppo.clop: 1}}}": "unknown field 'clop'",
    "{a: {settings: {kick.clip: 1}}}": "variants.a: settings: kick.clip: no loss 'kick' among ['ppo']",
    "{a: {settings: {horizen: 1}}}": "variants.a: settings: unknown field 'horizen': write 'horizon'",
    "{a: {settings: {gamma: 2}}}": "variants.a: settings: gamma is 2: write a number from 0 to 1",
    "{a: {steps: 0}}": "variants.a: settings: steps is 0: write a whole number of at least 1",
}


@pytest.mark.parametrize(("variants", "message"), REFUSED.items(), ids=REFUSED)
def test_what_cannot_be_trained_is_refused(planned, variants, message, tmp_path):
    with pytest.raises(GlulamError) as caught:
        planned(variants)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path / 'sweep.yaml'}: variants.a: ")


def test_faults_of_all_variants_are_told_at_once(planned):
    with pytest.raises(GlulamError) as caught:
        planned("{a: {steps: 0}, b: {policy: tyo}, c: {}}")
    assert str(caught.value).count("sweep.yaml: variants.") == 2
