"""Settings: what is read from YAML and the command line, and the text of every refusal."""

import subprocess
import sys

import pytest

from glulam import GlulamError
from glulam_train.settings import TrainSettings, read_settings

GIVEN = {"policy": "fast", "env": "mettagrid:forage"}


def test_a_file_written_is_the_settings_read(tmp_path):
    settings = TrainSettings(**GIVEN, steps=7, learning_rate=3e-4, losses=("ppo", {"loss": "kick", "k": 2}), threads=2)
    file = tmp_path / "settings.yaml"
    file.write_text(settings.to_yaml(), encoding="utf-8")
    assert read_settings(file) == settings


def test_the_command_line_goes_before_assignments_and_these_before_the_file(tmp_path):
    file = tmp_path / "settings.yaml"
    file.write_text("policy: a\nenv: b\nsteps: 1\nseed: 1\nhorizon: 1\n", encoding="utf-8")
    settings = read_settings(file, ["seed=2", "horizon=2"], horizon=3, steps=None)
    assert (settings.steps, settings.seed, settings.horizon) == (1, 2, 3)


@pytest.mark.parametrize(("written", "number"), [("1e-3", 1e-3), ("3E-4", 3e-4), ("0.5", 0.5), ("1", 1.0)])
def test_numbers_are_read_as_in_yaml_1_2(written, number):
    assert read_settings(None, [f"learning_rate={written}"], **GIVEN).learning_rate == number


@pytest.mark.parametrize("written", ["1000000", "1e6", "1_000_000"])
def test_whole_numbers_may_be_written_short(written):
    assert read_settings(None, [f"steps={written}"], **GIVEN).steps == 1_000_000


def test_a_field_of_a_loss_can_be_set():
    settings = read_settings(None, ["ppo.entropy_coef=0.02", "ppo.clip=0.1"], **GIVEN)
    assert settings.losses == ({"loss": "ppo", "entropy_coef": 0.02, "clip": 0.1},)
    assert settings.loss_names == ["ppo"]


def test_losses_come_as_a_list_or_a_name():
    assert read_settings(None, ["losses=[ppo, {loss: kick}]"], **GIVEN).loss_names == ["ppo", "kick"]
    assert read_settings(None, ["losses=kick"], **GIVEN).loss_names == ["kick"]


def test_values_are_read_as_in_files():
    assert read_settings(None, ["ppo.entropy_coef=1e-3"], **GIVEN).losses == ({"loss": "ppo", "entropy_coef": 1e-3},)


def test_a_text_that_looks_like_a_number_is_a_text_when_it_is_read_again(tmp_path):
    written = read_settings(None, ["losses=[{loss: kick, teacher: '1e5'}]"], **GIVEN)
    (tmp_path / "settings.yaml").write_text(written.to_yaml())
    assert read_settings(tmp_path / "settings.yaml") == written


REFUSED = {
    "steps=0": "settings: steps is 0: write a whole number of at least 1",
    "steps=10.7": "settings: steps is 10.7: write a whole number of at least 1",
    "steps=yes": "settings: steps is 'yes': write a whole number of at least 1",
    "steps=many": "settings: steps is 'many': write a whole number of at least 1",
    "steps=.inf": "settings: steps is inf: write a whole number of at least 1",
    "seed=-1": "settings: seed is -1: write a whole number from 0 to 1073741824",
    "num_envs=0": "settings: num_envs is 0: write a whole number of at least 1",
    "env_workers=-1": "settings: env_workers is -1: write a whole number of at least 0",
    "env_groups=0": "settings: env_groups is 0: write a whole number from 1 to 64",
    "buffer_device=cuda": "settings: buffer_device is 'cuda': write policy or cpu",
    "horizon=0": "settings: horizon is 0: write a whole number of at least 1",
    "epochs=0": "settings: epochs is 0: write a whole number of at least 1",
    "minibatches=0": "settings: minibatches is 0: write a whole number of at least 1",
    "learning_rate=0": "settings: learning_rate is 0: write a number above 0",
    "learning_rate=.nan": "settings: learning_rate is '.nan': write a number above 0",
    "learning_rate=fast": "settings: learning_rate is 'fast': write a number above 0",
    "schedule=step": "settings: schedule is 'step': write constant or linear or cosine",
    "segment=0": "settings: segment is 0: write a whole number of at least 1, or null",
    "burn_in=-1": "settings: burn_in is -1: write a whole number of at least 0",
    "freeze=memory": "settings: freeze is 'memory': write a list of names such as [memory, critic], each once",
    "freeze=[a, a]": "settings: freeze is ['a', 'a']: write a list of names",
    "groups=[{layers: [a]}]": "settings: groups is [{'layers': ['a']}]: write a list such as [{layers: [critic], ",
    "groups=[{layers: [], learning_rate: 1}]": "settings: groups is [{'layers': [], 'learning_rate': 1}]: write",
    "groups=[{layers: [a], learning_rate: -1}]": "settings: groups is [{'layers': ['a'], 'learning_rate': -1}]: ",
    "groups=[{layers: [a], rate: 1}]": "settings: groups is [{'layers': ['a'], 'rate': 1}]: write a list such as",
    "normalize_returns=1": "settings: normalize_returns is 1: write true or false",
    "init_from=''": "settings: init_from is '': write the path of a checkpoint, or null",
    "keep_checkpoints=0": "settings: keep_checkpoints is 0: write a whole number of at least 1",
    "adam_eps=0": "settings: adam_eps is 0: write a number above 0",
    "gamma=1.1": "settings: gamma is 1.1: write a number from 0 to 1",
    "gae_lambda=-0.1": "settings: gae_lambda is -0.1: write a number from 0 to 1",
    "max_grad_norm=0": "settings: max_grad_norm is 0: write a number above 0",
    "threads=0": "settings: threads is 0: write a whole number from 1 to 4096, or null",
    "checkpoint_interval=0": "settings: checkpoint_interval is 0: write a whole number of at least 1",
    "device=''": "settings: device is '': write a device of torch, such as cpu or cuda",
    "losses=[]": "settings: losses is []: write a list such as [ppo] or [{loss: ppo, clip: 0.1}], each loss once",
    "losses=[ppo, ppo]": "settings: losses is ['ppo', 'ppo']: write a list such as",
    "losses=3": "settings: losses is 3: write a list such as",
    "horizen=3": "settings: unknown field 'horizen': write 'horizon'",
    "zzz=3": "settings: unknown field 'zzz': the fields are policy, env, steps,",
    "kick.k=3": "--set kick.k: no loss 'kick' among ['ppo']",
    "steps": "--set 'steps': write FIELD=VALUE, such as learning_rate=3e-4 or ppo.entropy_coef=0.02",
    "steps=[": "--set 'steps=[': '[' is no YAML value: ",
}


@pytest.mark.parametrize(("assignment", "message"), REFUSED.items(), ids=REFUSED)
def test_a_wrong_value_is_refused_with_what_to_write(assignment, message):
    with pytest.raises(GlulamError) as caught:
        read_settings(None, [assignment], **GIVEN)
    assert message in str(caught.value)


def test_all_that_is_wrong_is_told_at_once(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("env: b\nsteps: 0\ngamma: 2\n", encoding="utf-8")
    with pytest.raises(GlulamError) as caught:
        read_settings(file)
    assert str(caught.value).splitlines() == [
        f"{file}: policy is missing: write the name or path of a policy, such as fast",
        f"{file}: steps is 0: write a whole number of at least 1",
        f"{file}: gamma is 2: write a number from 0 to 1",
    ]


def test_python_may_not_make_wrong_settings_either():
    with pytest.raises(GlulamError, match="steps is 0: write a whole number of at least 1"):
        TrainSettings(**GIVEN, steps=0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a\n", "holds no settings but list"),
        ("a: [\n", r"settings\.yaml:2:1: no YAML: expected the node content"),
        ("seed: 1\nseed: 2\n", "twice"),
        ("", "no settings but NoneType"),
    ],
)
def test_a_file_that_holds_no_settings_is_refused(tmp_path, text, message):
    file = tmp_path / "settings.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(GlulamError, match=message):
        read_settings(file)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(GlulamError, match=r"cannot read the settings .*none\.yaml: "):
        read_settings(tmp_path / "none.yaml")


def test_training_and_evaluation_never_share_a_seed():
    assert TrainSettings(**GIVEN, seed=21).environment_seed() == 42
    assert TrainSettings(**GIVEN, seed=21).environment_seed(0, 0) == 42
    made = [TrainSettings(**GIVEN, seed=seed) for seed in (0, 21, 2**30)]
    seeds = [chosen.environment_seed(k, rank) for chosen in made for k in range(50) for rank in range(3)]
    assert len(set(seeds)) == 450
    assert all(seed % 2 == 0 and 0 <= seed < 2**32 for seed in seeds)


def test_neither_settings_nor_commands_import_torch():
    code = "import sys, glulam_train.commands, glulam_train.configs; print('torch' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"
