"""The programs in docs/examples: short, of public calls alone, and right about memory.

That they learn is looked at by `python -m tests.evidence examples`.
"""

import ast
import importlib.util
import sys
from importlib.util import find_spec

import pytest
import torch

import glulam
from glulam_train.advantages import gae
from tests.evidence.record import ROOT

FOLDER = ROOT / "docs" / "examples"
FILES = sorted(FOLDER.glob("*.py"))


def example(name):
    spec = importlib.util.spec_from_file_location(f"example_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_program_is_short_and_uses_public_names_alone(file):
    text = file.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 100
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Attribute):
            assert not node.attr.startswith("_"), node.attr
        if isinstance(node, ast.ImportFrom) and node.module.startswith("glulam"):
            assert node.module == "glulam.interop.torchrl"


def test_the_page_shows_each_program():
    page = (FOLDER / "index.md").read_text(encoding="utf-8")
    assert FILES
    assert all(f"{{literalinclude}} {file.name}" in page for file in FILES)


def check_memory(policy, batch, state):
    """Hold the rollout's numbers against those of training, resets inside the segments included."""
    again = policy.evaluate(batch, state)
    assert int((batch["dones"] | batch["truncateds"])[:, 1:].sum()) > 0
    for key in ("act_log_prob", "values"):
        assert torch.allclose(again[key], batch[key], atol=1e-5), key
    assert not torch.allclose(policy.evaluate(batch)["values"], batch["values"], atol=1e-5)  # else memory is not used


class TestSingleFile:
    def test_training_sees_what_the_rollout_saw_and_advantages_are_estimated_right(self):
        """Oracle: glulam-train's own generalised advantage estimation."""
        program = example("single_file_ppo")
        env = glulam.make_environment("gymnasium:CartPole-v1", num_envs=program.NUM_ENVS, seed=0)
        policy = glulam.build(program.POLICY, env.spec)
        _, _, td = program.rollout(policy, env, env.reset())  # the next one starts with memory
        batch, state, td = program.rollout(policy, env, td)
        check_memory(policy, batch, state)
        bootstrap = program.value_of(policy, td)
        program.add_advantages(batch, bootstrap)
        value_tp1 = torch.cat([batch["values"][:, 1:], bootstrap[:, None]], dim=1)
        expected, _ = gae(
            reward_tp1=batch["reward"], value_t=batch["values"], value_tp1=value_tp1, done_tp1=batch["ended"],
            truncated_tp1=torch.zeros_like(batch["ended"]), gamma=program.GAMMA, gae_lambda=program.GAE_LAMBDA,
        )  # fmt: skip
        assert torch.allclose(batch["advantages"], expected, atol=1e-4)
        assert torch.equal(batch["returns"], batch["advantages"] + batch["values"])

    def test_an_episode_that_was_cut_off_is_worth_its_last_observation(self):
        """No pole falls within 5 steps: every episode is cut off there, and pays 1 a step before."""
        import gymnasium

        program = example("single_file_ppo")
        gymnasium.register("Brief-v0", entry_point="gymnasium.envs.classic_control:CartPoleEnv", max_episode_steps=5)
        try:
            env = glulam.make_environment("gymnasium:Brief-v0", num_envs=program.NUM_ENVS, seed=0)
            policy = glulam.build(program.POLICY, env.spec)
            batch, _, _ = program.rollout(policy, env, env.reset())
        finally:
            del gymnasium.registry["Brief-v0"]
        assert batch["ended"][:, 4::5].all()
        assert batch["ended"].sum() == batch["ended"][:, 4::5].sum()
        assert torch.equal(batch["reward"][~batch["ended"]], torch.ones(int((~batch["ended"]).sum())))
        assert (batch["reward"][batch["ended"]] != 1).all()

    def test_it_trains(self, capsys):
        program = example("single_file_ppo")
        policy = program.train(2048)
        assert [line.partition(":")[0] for line in capsys.readouterr().out.splitlines()] == ["update 0", "update 1"]
        torch.manual_seed(0)
        fresh = glulam.build(program.POLICY, policy.env)
        assert all(
            not torch.equal(mine, theirs) for mine, theirs in zip(policy.parameters(), fresh.parameters(), strict=True)
        )


class TestSendRecv:
    CARTPOLE = "gymnasium:CartPole-v1"

    def test_training_sees_what_the_rollout_saw_in_both_halves(self):
        program, policy_file = example("send_recv_ppo"), example("single_file_ppo").POLICY
        env = program.Halves(self.CARTPOLE, 0)
        policy = glulam.build(policy_file, env.envs[0].spec)
        buffer, state = program.flat_buffers(policy, self.CARTPOLE, 2 * env.rows)
        for _ in range(2):  # the second starts with memory
            program.rollout(policy, env, buffer, state)
        env.pool.shutdown()
        check_memory(policy, buffer, state)

    def test_advantages_are_estimated_right(self):
        """Oracle: glulam-train's own, with what came with the next observation moved one step back."""
        program = example("send_recv_ppo")
        shape = (3, program.HORIZON)
        buffer = {key: torch.randn(shape) for key in ("reward", "values")}
        buffer |= {"dones": torch.rand(shape) < 0.1, "truncateds": torch.rand(shape) < 0.1}
        ended = (buffer["dones"] | buffer["truncateds"])[:, 1:]
        expected, _ = gae(
            reward_tp1=buffer["reward"][:, 1:], value_t=buffer["values"][:, :-1], value_tp1=buffer["values"][:, 1:],
            done_tp1=ended, truncated_tp1=torch.zeros_like(ended), gamma=program.GAMMA, gae_lambda=program.GAE_LAMBDA,
        )  # fmt: skip
        assert torch.allclose(program.advantages_of(buffer), expected, atol=1e-5)

    def test_what_is_sent_reaches_the_half_that_was_received(self):
        program = example("send_recv_ppo")
        env = program.Halves(self.CARTPOLE, 0)
        for place in range(6):
            rows, td = env.recv()
            half = place % 2
            assert (rows.start, rows.stop) == (half * env.rows, (half + 1) * env.rows)
            assert td["env_id"].tolist() == list(range(rows.start, rows.stop))
            if place >= 2:
                assert td["last_actions"].unique().tolist() == [half]
            env.send(torch.full((env.rows,), half))
        env.pool.shutdown()

    def test_it_trains(self, capsys):
        program, policy_file = example("send_recv_ppo"), example("single_file_ppo").POLICY
        program.train(2048, uri=self.CARTPOLE, policy=policy_file)
        assert [line.partition(":")[0] for line in capsys.readouterr().out.splitlines()] == ["update 0", "update 1"]


@pytest.mark.evidence
@pytest.mark.filterwarnings("default")  # Ray's and TorchRL's own
class TestRayCollector:
    @pytest.mark.parametrize("local", [True, False], ids=["local", "ray"])
    def test_it_trains(self, tmp_path, local):
        import subprocess

        if not local and find_spec("ray") is None:
            pytest.skip("ray is not installed: pip install ray")
        command = [sys.executable, str(FOLDER / "ray_collector.py"), "2048", "0", str(tmp_path / "policy.safetensors")]
        done = subprocess.run([*command, *["local"] * local], capture_output=True, text=True, check=True, cwd=tmp_path)
        lines = [line for line in done.stdout.splitlines() if line.startswith("update ")]
        assert [line.partition(":")[0] for line in lines] == ["update 0", "update 1"]
        assert glulam.load(tmp_path / "policy.safetensors", "gymnasium:CartPole-v1").resolved.name == "cartpole"
