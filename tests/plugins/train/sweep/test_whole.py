"""Sweeps that train: the numbers of the plain command, whatever happens to the sweep in between."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

from glulam import GlulamError
from glulam_train.commands import train
from glulam_train.folder import RunFolder
from glulam_train.sweep.disk import last_row
from tests.plugins.train.sweep.fakes import HEAD, call


def curve(out, variant, seed):
    """Return a run's curve in the results, less its clock."""
    [row] = [
        row
        for row in json.loads((out / "results.json").read_text())["runs"]
        if (row["variant"], row["seed"]) == (variant, seed)
    ]
    assert row["state"] == "finished"
    return row["curve"]["agent_steps"], row["curve"]["return_mean"]


def plain_curve(folder, *options):
    """Return the curve of `glulam train` in this process."""
    given = ["num_envs=4", "horizon=8", "minibatches=2", "tensorboard=false", "checkpoint_interval=128", "threads=1"]
    words = [word for setting in (*given, *options) for word in ("--set", setting)]
    result = CliRunner().invoke(train, ["toy", "--env", "toy:cues", "--out", str(folder), *words])
    assert result.exit_code == 0, result.output
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [row["agent_steps"] for row in rows], [
        None if row["return_mean"] is None else round(row["return_mean"], 6) for row in rows
    ]


def test_a_run_is_that_of_the_plain_command(written, tmp_path, no_trial):
    """Oracle: `glulam train` with the same settings; of the second variant, from the first one's checkpoint."""
    out = tmp_path / "out"
    path = written('{plain: {}, grown: {after: plain, settings: {init_from: "{after}/checkpoint.safetensors"}}}')
    path.write_text(path.read_text().replace("seeds: 2", "seeds: [3]"))
    assert call(path, "--out", out).exit_code == 0
    assert curve(out, "plain", 3) == plain_curve(tmp_path / "one", "seed=3", "steps=512")
    start = f"init_from={tmp_path / 'one' / 'checkpoint.safetensors'}"
    assert curve(out, "grown", 3) == plain_curve(tmp_path / "two", "seed=3", "steps=512", start)
    ours, theirs = (folder / "settings.yaml" for folder in (out / "plain" / "seed_3", tmp_path / "one"))
    assert ours.read_text().splitlines()[1:] == theirs.read_text().splitlines()[1:]  # all but the policy's name


def test_a_trial_that_fails_is_told_with_its_variant(written, tmp_path):
    with pytest.raises(GlulamError) as caught:
        raise call(
            written("{bad: {settings: {losses: [ppo, {loss: toy_nan}]}}}"), "--out", tmp_path / "out", "--jobs", 1
        ).exception
    told = str(caught.value)
    assert (
        f"{tmp_path / 'sweep.yaml'}: variants.bad: its trial of 4 updates failed, so that nothing was trained:" in told
    )
    assert "the loss is nan" in told
    assert not (tmp_path / "out").exists()


def test_killed_in_the_middle_it_goes_on_to_the_same_numbers(written, tmp_path, no_trial):
    """Oracle: `glulam train`, never interrupted. The sweep that is killed does try its variant first."""
    head = HEAD.replace("steps: 512", "steps: 12800").replace("seeds: 2", "seeds: 1").replace("l: 128", "l: 512")
    out, path = tmp_path / "out", written(head=head)
    run = out / "plain" / "seed_0"
    code = f"from glulam.cli import main; import sys; sys.argv[1:] = ['sweep', {str(path)!r}, '--out', {str(out)!r}]; "
    with subprocess.Popen(
        [sys.executable, "-c", f"{code}main()"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as sweep:
        deadline = time.monotonic() + 60
        while not ((row := last_row(run)) and row["agent_steps"] > 1000):
            assert time.monotonic() < deadline
            assert sweep.poll() is None, sweep.stderr.read()
            time.sleep(0.02)
        os.kill(sweep.pid, signal.SIGKILL)
        told = sweep.communicate()[1]
    assert told.startswith("1 run, 12,800 agent-steps in all, 1 at a time\n")
    wait_until_free(run)
    before = last_row(run)["agent_steps"]
    assert before < 12_800
    result = call(path, "--out", out)
    assert result.exit_code == 0, result.output
    assert "plain seed 0: goes on, " in result.stderr
    assert curve(out, "plain", 0) == plain_curve(tmp_path / "whole", "seed=0", "steps=12800", "checkpoint_interval=512")


def wait_until_free(run):
    """Wait until the orphan has ended; it does at once."""
    folder, deadline = RunFolder(run), time.monotonic() + 5
    while True:
        try:
            folder.hold()
        except GlulamError:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        else:
            folder.release()
            return
