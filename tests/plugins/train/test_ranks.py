"""Training on several ranks: the law, runs, faults, restarts. `ranked.py` holds what the processes do."""

import os
import shutil
import socket
import subprocess
import sys

import numpy as np
import pytest
import torch
from rich.console import Console

import glulam
from glulam import BoxLayout, GlulamError
from glulam_train.ranks import Ranks
from glulam_train.resume import ResumePoints
from glulam_train.run import Run
from tests.plugins.train import ranked
from tests.plugins.train.ranked import numbers, play

UNEVEN = {"env": "toy:next_step", "losses": ("ppo", "prediction"), "minibatches": 1, "epochs": 1, "max_grad_norm": 1e9}
RICH = {"normalize_returns": True, "losses": ("ppo", "prediction")}


class TestLaw:
    """The gradients of two ranks with half of the experience each are those of one with all of it."""

    @pytest.fixture
    def whole(self):
        """A trainer of 8 rows with a full buffer, and weights that have moved since."""
        made = ranked.make_trainer(**UNEVEN, num_envs=4)
        made.update()
        made._compute(made.rollout.collect(made.buffer))
        with torch.no_grad():
            for weight in made.policy.parameters():
                weight.add_(0.1 * torch.randn_like(weight))
        return made

    def compared(self, whole, rows, sabotage=None):
        """The largest differences of gradients and of metrics between both ranks and one."""
        weights = {name: tensor.clone() for name, tensor in whole.shared().items()}
        kinds = ("steps", "starts", "following")
        buffer = {kind: {key: x.clone() for key, x in getattr(whole.buffer, kind).items()} for kind in kinds}
        expected, metrics = ranked.gradients_of(whole)
        found = play(ranked.gradients, weights, buffer, rows, UNEVEN, sabotage)
        assert all(torch.equal(found[0][0][name], found[1][0][name]) for name in expected)
        gaps = {name: abs(metrics[name] - found[0][1][name]) for name in metrics}
        return max(float((expected[name] - found[0][0][name]).abs().max()) for name in expected), gaps

    @staticmethod
    def uneven(whole):
        """Half of the rows a rank, those with the most steps that count in the first; fewer yet in the second."""
        rows = whole.buffer["valid"].sum(1).argsort(descending=True).view(2, 4)
        whole.buffer["valid"][rows[1], ::2] = False
        return rows

    def test_it_holds_where_ranks_have_different_numbers_of_steps(self, whole):
        rows = self.uneven(whole)
        counts = whole.buffer["valid"][rows].sum((1, 2))
        assert counts[0] > 1.5 * counts[1]
        gap, metrics = self.compared(whole, rows)
        assert gap < 1e-5
        exact = {"loss", "grad_norm", "ppo/policy_loss", "ppo/value_loss", "ppo/entropy", "ppo/approx_kl"}
        assert max(metrics[name] for name in exact) < 1e-5

    def test_it_holds_where_a_rank_has_none(self, whole):
        rows = self.uneven(whole)
        whole.buffer["valid"][rows[1]] = False
        assert self.compared(whole, rows)[0] < 1e-5

    @pytest.mark.parametrize("sabotage", ["plain means", "own advantages"])
    def test_it_catches(self, whole, sabotage):
        assert self.compared(whole, self.uneven(whole), sabotage)[0] > 1e-4


class TestRanks:
    def test_alone_all_is_as_it_was(self):
        ranks, x = Ranks.alone(), torch.ones(2)
        assert ranks.sum(x) is x
        assert ranks.gather("a") == ranks.collect("a") == ["a"]
        assert ranks.tell("a") == ranks.deal(["a"]) == "a"
        assert ranks.shares([0.0, 3.0]) == [1.0, 1.0]
        ranks.rank = 1  # the one that meets an error there
        with pytest.raises(GlulamError, match="^no room$"):
            ranked.one_fails(ranks)

    def test_a_gpu_for_each(self, monkeypatch):
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
        assert Ranks(1, 2, local_rank=1).device("cuda") == "cuda:1"
        assert Ranks(1, 2, local_rank=1).device("cpu") == "cpu"
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)  # a launcher shows each process its own alone
        assert Ranks(1, 2, local_rank=1).device("cuda") == "cuda:0"
        assert Ranks.alone().device("cuda:3") == "cuda:3"
        with pytest.raises(GlulamError, match=r"device is 'cuda:0', which all ranks .* would share: write cuda, and"):
            Ranks(1, 2, local_rank=1).device("cuda:0")

    def test_what_they_tell_each_other(self):
        first, second = play(ranked.primitives)
        for found in (first, second):
            assert found["sum"].tolist() == [10, 12, 14]
            assert [None if x is None else x.unique().tolist() for x in found["sums"]] == [[3], [2], None, [2]]
            assert found["finite"][:2] == (True, False)
            count, mean, variance = found["moments"][0]
            assert (count, mean) == (10, pytest.approx(4.5))
            assert variance == pytest.approx(np.arange(10).var())
            assert found["moments"][1] == (0, 0.0, 0.0)
            assert found["gathered"][0] == [0, 1]
            assert found["gathered"][2].tolist() == [0, 1, 2, 10, 11, 12]
            assert found["told"] == "rank 0"
            assert found["broadcast"].tolist() == [0, 0]
        assert (first["shares"], second["shares"]) == ([0.25, 0.5], [0.75, 0.5])
        assert (first["dealt"], second["dealt"]) == ("zero", "one")
        assert (first["gathered"][1], second["gathered"][1]) == ([0, 1], [])
        assert (first["finite"][2].unique().item(), second["finite"][2].unique().item()) == (5, float("inf"))

    def test_tensors_of_every_dtype_travel(self):
        """gloo itself knows no int16."""
        for gathered, told in play(ranked.of_each_dtype):
            for name, found, first in zip(BoxLayout.DTYPES, gathered[:-1], told[:-1], strict=True):
                for tensor, rows in ((first, [[0, 1], [100, 3]]), (found[0], [[0, 100], [1, 3]])):
                    assert torch.equal(tensor, torch.tensor(rows).to(getattr(torch, name)))
                assert torch.equal(found[1], torch.tensor([[0, 101], [1, 3]]).to(getattr(torch, name)))
                assert {str(tensor.dtype) for tensor in (first, *found)} == {f"torch.{name}"}
            assert [tensor.item() for tensor in (*gathered[-1], told[-1])] == [0.5, 1.5, 0.5]

    def test_an_error_of_one_is_an_error_of_all(self):
        assert play(ranked.one_fails) == [("RankError", "rank 1: no room")] * 2

    def test_weights_that_differ_are_named(self):
        for kind, message in play(ranked.apart):
            assert kind == "RankError"
            assert message.startswith("rank 1 has come apart from rank 0: other differs.")

    @pytest.mark.parametrize("how", ["ends", "sleeps"])
    def test_one_that_does_not_answer_is_an_error_in_time(self, how):
        (seconds, message), _ = play(ranked.silent, how)
        assert seconds < 2.5
        assert message.startswith("rank 0 lost contact with the others: ")
        assert message.endswith("glulam train --resume FOLDER")

    def test_a_port_in_use_is_named(self, monkeypatch):
        with socket.socket() as taken:
            taken.bind(("", 0))
            taken.listen()
            port = str(taken.getsockname()[1])
            told = {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
            for name, value in told.items():
                monkeypatch.setenv(name, value)
            message = f"rank 0 of 2 cannot meet the others at 127.0.0.1:{port}: .*; another program has that port: name"
            with pytest.raises(GlulamError, match=message):
                Ranks.from_environment()


def test_statistics_are_over_all_ranks():
    (seen, first, moments, (count, mean, variance)), (also, second, same, _) = play(ranked.statistics)
    assert torch.equal(seen, also)
    assert torch.equal(seen, torch.cat([first, second]))
    assert not torch.equal(first, second)
    assert torch.equal(moments, same)
    assert count == 2 * 4 * 8
    assert moments.tolist() == pytest.approx([count, mean, variance])


@pytest.fixture(scope="module")
def runs(toy_mill, tmp_path_factory):
    """Folder and checksums by rank of a run, its repetition, and one that was cut and resumed."""
    folder = tmp_path_factory.mktemp("runs")
    return folder, play(ranked.three_runs, folder, RICH)


class TestRuns:
    def test_it_repeats_to_the_digit(self, runs):
        folder, ((whole, again, _), _) = runs
        assert whole == again
        assert numbers(folder / "whole") == numbers(folder / "again")

    def test_resumed_it_gives_the_same_numbers(self, runs):
        folder, ((whole, _, cut), _) = runs
        assert whole == cut
        assert numbers(folder / "whole") == numbers(folder / "cut")

    def test_weights_are_the_same_on_all_ranks(self, runs):
        _, (first, second) = runs
        assert first == second

    def test_the_steps_are_those_of_both(self, runs):
        rows = numbers(runs[0] / "whole")
        assert [row["agent_steps"] for row in rows] == [64, 128, 192, 256, 320, 384, 448, 512, 576, 640]
        assert max(row["ratio_error"] for row in rows) < 1e-5

    def test_ranks_play_different_episodes(self, runs):
        point = max((runs[0] / "whole" / "resume").iterdir())
        assert {path.name for path in point.iterdir()} == {
            "policy.safetensors",
            "trainer.safetensors",
            "trainer.rank1.safetensors",
        }
        (_, first), (_, second) = (
            glulam.read_tensors(point / name) for name in ("trainer.safetensors", "trainer.rank1.safetensors")
        )
        assert not torch.equal(first["buffer/env_obs"], second["buffer/env_obs"])
        assert not torch.equal(first["rng/torch"], second["rng/torch"])

    def test_another_number_of_ranks_is_refused(self, runs, tmp_path):
        message = (
            r"whole was trained by 2 ranks and cannot go on with one process: start 2 with torchrun's --nnodes and"
        )
        with pytest.raises(GlulamError, match=message):
            Run.resume(runs[0] / "whole")
        alone = ranked.make_run(Ranks.alone(), tmp_path / "alone", steps=32)
        alone.train(console=Console(quiet=True))
        alone.close()
        for kind, message in play(ranked.resumed, tmp_path / "alone"):
            assert kind == "RankError"
            assert "was trained by one process and cannot go on with 2 ranks: start it without torchrun" in message
            assert message.startswith("rank 0: ")

    def test_a_damaged_part_of_another_rank_passes_the_point_over(self, runs, tmp_path):
        folder = shutil.copytree(runs[0] / "whole", tmp_path / "run")
        newest = max((folder / "resume").iterdir()) / "trainer.rank1.safetensors"
        newest.write_bytes(newest.read_bytes()[:-1])
        point, problems = ResumePoints(folder / "resume", 3).newest()
        assert point.agent_steps == 512
        assert "trainer.rank1.safetensors" in problems[0]


class TestFaults:
    """What goes wrong in one rank alone stops both, with what that rank says of it."""

    @pytest.mark.parametrize(
        ("fault", "message"),
        [
            (
                "loss",
                "rank 1: training stopped after 192 agent-steps: the loss is nan, .*is the loss 'toy_l2'. The last",
            ),
            (
                "reward",
                "rank 1: training stopped after 192 agent-steps: environment 'toy:cues' gave a reward that is n",
            ),
            ("raise", "rank 1: environment 'toy:cues' failed in step 6 of a rollout with ValueError: the goal is gone"),
            ("disk", r"rank 0: cannot write .*/000000000256: No space left on device; the points before it are intact"),
            ("drift", r"rank 1 has come apart from rank 0: layers\.toy_table\.module\.critic\.bias differs"),
        ],
    )
    def test_it_is_named_on_all(self, tmp_path, fault, message):
        for kind, found in play(ranked.faulty, tmp_path / "run", fault):
            assert kind == "RankError"
            with pytest.raises(GlulamError, match=f"^{message}"):
                raise GlulamError(found)
        kept = [path.name for path in (tmp_path / "run" / "resume").iterdir() if path.name.isdigit()]
        assert kept == ["000000000000"]

    def test_a_signal_to_one_stops_both_after_the_same_update(self, tmp_path):
        assert play(ranked.stopped, tmp_path / "run") == [("SIGTERM", 128)] * 2
        assert max(path.name for path in (tmp_path / "run" / "resume").iterdir()) == "000000000128"

    def test_different_settings_are_refused(self, tmp_path):
        expected = ("RankError", "rank 1 was started with other settings than rank 0: seed is 1, not 0")
        assert play(ranked.different, tmp_path / "run") == [expected] * 2
        assert not (tmp_path / "run").exists()


class TestAgain:
    """Whether a folder is gone on with: after a restart by the torchrun that began it, and only then."""

    def begun(self, out, monkeypatch, launch, **changes):
        monkeypatch.setenv("TORCHELASTIC_RUN_ID", launch)
        run = ranked.make_run(Ranks.alone(), out, **changes)
        try:
            return run.point.agent_steps if run.point else None
        finally:
            ranked.finish(run)

    def test_the_torchrun_that_began_it_goes_on(self, tmp_path, monkeypatch):
        assert self.begun(tmp_path / "run", monkeypatch, "one") is None
        assert self.begun(tmp_path / "run", monkeypatch, "one") == 640

    def test_another_is_refused(self, tmp_path, monkeypatch):
        self.begun(tmp_path / "run", monkeypatch, "one")
        with pytest.raises(GlulamError, match="run is there already and not empty"):
            self.begun(tmp_path / "run", monkeypatch, "two")

    def test_without_a_run_id_it_is_the_process_of_torchrun(self, tmp_path, monkeypatch):
        self.begun(tmp_path / "run", monkeypatch, "none")
        assert self.begun(tmp_path / "run", monkeypatch, "none") == 640
        monkeypatch.setattr(os, "getppid", lambda: 1)
        with pytest.raises(GlulamError, match="run is there already and not empty"):
            self.begun(tmp_path / "run", monkeypatch, "none")

    def test_what_it_did_not_begin_to_train_is_begun(self, tmp_path, monkeypatch):
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / ".torchrun").write_text("one\n")
        assert self.begun(tmp_path / "run", monkeypatch, "one") is None

    def test_a_run_without_torchrun_leaves_no_mark_and_is_refused(self, tmp_path, monkeypatch):
        ranked.finish(ranked.make_run(Ranks.alone(), tmp_path / "run"))
        assert not (tmp_path / "run" / ".torchrun").exists()
        with pytest.raises(GlulamError, match="run is there already and not empty"):
            self.begun(tmp_path / "run", monkeypatch, "one")


class TestTorchrun:
    @staticmethod
    def torchrun(*arguments, seconds=100):
        """Run `torchrun ... glulam train ...` of two ranks on this machine."""
        command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", *map(str, arguments)]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=seconds)

    @pytest.mark.parametrize("killed", ["rank", pytest.param("worker", marks=pytest.mark.evidence)])
    def test_a_killed_rank_is_started_again_and_the_run_goes_on(self, tmp_path, killed):
        """Or one whose environment's worker is killed."""
        small = [f"--set={name}={ranked.SMALL[name]}" for name in ("num_envs", "horizon", "checkpoint_interval")]
        small += ["--set=env_workers=1"] if killed == "worker" else []
        run = ["--env", "toy:deadly", "--steps", 640, "--out", tmp_path / "run"]
        train = ["-m", "glulam", "train", "toy", *run, *small]
        train += ["--set", "tensorboard=false"]
        done = self.torchrun("--standalone", "--max-restarts", 1, *train, seconds=100 if killed == "rank" else 300)
        assert done.returncode == 0, done.stderr
        assert "resumed at 0 agent-steps" in done.stderr or "resumed at 256 agent-steps" in done.stderr
        assert [row["agent_steps"] for row in numbers(tmp_path / "run")] == list(range(64, 641, 64))
        assert done.stdout.count("checkpoint  ") == 1
        told = "rank 1: environment worker 0 of 1 was ended by SIGKILL in step "
        assert (told in done.stderr) == (killed == "worker")
