"""Kickstarting: what the teacher says in rollout, the loss by hand, and what it costs the student.

`B` rows, `T` steps, `A` actions.
"""

from types import SimpleNamespace

import attrs
import pytest
import torch
from tensordict import TensorDict

import glulam
from glulam import GlulamError
from glulam_train.configs import KickstartConfig


@pytest.fixture
def teacher(tmp_path):
    """Return the path of a saved policy of the toy world, its weights large enough to have a will."""
    torch.manual_seed(7)
    policy = glulam.build("toy", "toy:cues")
    with torch.no_grad():
        for weight in policy.parameters():
            weight.mul_(3)
    glulam.save(policy, tmp_path / "teacher.safetensors")
    return tmp_path / "teacher.safetensors"


def kickstart(path, **fields):
    return {"loss": "kickstart", "teacher": str(path), **fields}


class TestRollout:
    def test_the_teacher_follows_with_a_memory_of_its_own(self, trainer, teacher):
        """Oracle: the teacher's evaluation of the student's whole rollouts, from empty memory."""
        made = trainer(losses=("ppo", kickstart(teacher)), horizon=16)
        parts = []
        for _ in range(3):
            made.update()
            parts.append(made.buffer.steps["env_obs"].clone())
            flags = {key: made.buffer[key].clone() for key in ("dones", "truncateds", "actions")}
            parts[-1] = TensorDict({"env_obs": parts[-1], **flags}, batch_size=[8, 16])
            parts[-1]["found"] = made.buffer["teacher_log_probs"].clone()
            parts[-1]["values"] = made.buffer["teacher_values"].clone()
        seen = torch.cat(parts, 1)
        with torch.no_grad():
            expected = glulam.load(teacher, "toy:cues").evaluate(seen)
        torch.testing.assert_close(seen["found"], expected["full_log_probs"], rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(seen["values"], expected["values"], rtol=1e-5, atol=1e-5)
        assert seen["dones"].any()
        assert seen["truncateds"].any()

    def test_it_costs_the_student_no_random_number_and_never_learns(self, trainer, teacher):
        alone, taught = trainer(horizon=4), trainer(losses=("ppo", kickstart(teacher, coef=0, value_coef=0)), horizon=4)
        weights = [weight.clone() for weight in taught.terms["kickstart"].teacher.parameters()]
        for made in (alone, taught):
            torch.manual_seed(3)
            made.update()
        assert torch.equal(alone.buffer["actions"], taught.buffer["actions"])
        for ours, theirs in zip(alone.policy.parameters(), taught.policy.parameters(), strict=True):
            torch.testing.assert_close(ours, theirs)
        assert all(map(torch.equal, weights, taught.terms["kickstart"].teacher.parameters()))


class TestLoss:
    """Two steps of which one counts, two actions."""

    @pytest.fixture
    def parts(self):
        student = torch.tensor([[[0.25, 0.75], [0.5, 0.5]]]).log().requires_grad_()
        current = {"full_log_probs": student, "values": torch.tensor([[3.0, 9.0]], requires_grad=True)}
        stored = {
            "teacher_log_probs": torch.tensor([[[1.0, 0.0], [0.5, 0.5]]]).log(),
            "teacher_values": torch.tensor([[1.0, 1.0]]),
            "valid": torch.tensor([[True, False]]),
        }
        return TensorDict(current, batch_size=[1, 2]), TensorDict(stored, batch_size=[1])

    def test_by_hand(self, parts):
        """KL([1, 0], [1/4, 3/4]) = log 4; half of 2 squared is 2. An action that the teacher rules out makes no NaN."""
        loss = KickstartConfig(teacher="x", coef=3.0, value_coef=0.1).build()
        value, metrics = loss(*parts)
        assert value.item() == pytest.approx(3 * 1.386294 + 0.1 * 2)
        assert float(metrics["divergence"]) == pytest.approx(1.386294)
        assert float(metrics["value_error"]) == pytest.approx(2)
        value.backward()
        assert parts[0]["full_log_probs"].grad.isfinite().all()

    @pytest.mark.parametrize(("steps", "factor"), [(0, 1.0), (250, 0.75), (1000, 0.0), (5000, 0.0)])
    def test_it_fades(self, parts, steps, factor):
        loss = KickstartConfig(teacher="x", anneal_steps=1000).build()
        whole = loss(*parts)[0].item()
        loss.start_update(steps)
        assert loss(*parts)[0].item() == pytest.approx(factor * whole)

    def test_a_student_comes_close_to_its_teacher(self, trainer, teacher):
        made = trainer(losses=(kickstart(teacher),), learning_rate=0.05, horizon=16)
        first = made.update()["kickstart/divergence"]
        for _ in range(30):
            last = made.update()["kickstart/divergence"]
        assert last < first / 10

    def test_a_forgotten_teacher_is_not_asked(self, trainer, teacher, monkeypatch):
        made = trainer(losses=("ppo", kickstart(teacher, anneal_steps=64)))
        made.update()
        monkeypatch.setattr(made.terms["kickstart"].teacher, "follow", None)
        metrics = made.update()
        assert metrics["kickstart/factor"] == 0
        assert "kickstart/divergence" not in metrics
        assert not made.buffer["teacher_values"].any()

    def test_a_forgotten_teacher_makes_no_number_of_impossible_actions(self, parts):
        """Where the student cannot act, its log probabilities are as low as numbers go, and what is stored is zero."""
        current, stored = parts
        loss = KickstartConfig(teacher="x", anneal_steps=10).build()
        loss.start_update(10)
        with torch.no_grad():
            current["full_log_probs"][..., 0] = torch.finfo(torch.float32).min
            stored["teacher_log_probs"].zero_()
        assert loss(current, stored)[0].item() == 0


class TestOtherActions:
    """The teacher's world has the actions a to d; the student's knows some of them, in another order."""

    @pytest.fixture
    def student(self):
        def make(*names):
            env = attrs.evolve(glulam.environment_spec("toy:cues"), actions=glulam.ActionSpec(names=names))
            return SimpleNamespace(env=env, device=torch.device("cpu"))

        return make

    def test_an_action_that_it_does_not_know_has_no_probability(self, teacher, student):
        loss = KickstartConfig(teacher=str(teacher)).build()
        loss.initialize(student("a", "b", "c", "jump"))
        rows = torch.zeros(3, dtype=torch.int64)
        nothing = torch.zeros(3, dtype=torch.bool)
        inputs = {"env_obs": torch.zeros(3, 2, 3, dtype=torch.uint8), "env_id": torch.arange(3), "actions": rows}
        td = TensorDict(inputs | {"dones": nothing, "truncateds": nothing}, batch_size=[3])
        loss.observe(td)
        table = td["teacher_log_probs"].exp()
        assert not table[:, 3].any()
        torch.testing.assert_close(table.sum(-1), torch.ones(3))
        whole = loss.teacher.evaluate(td)["full_log_probs"].exp()[:, :3]
        torch.testing.assert_close(table[:, :3], whole / whole.sum(-1, keepdim=True), atol=1e-4, rtol=0)

    def test_an_action_of_another_name_is_taught_by_an_alias(self, teacher, student):
        inputs = {"env_obs": torch.zeros(3, 2, 3, dtype=torch.uint8), "env_id": torch.arange(3)}
        nothing = torch.zeros(3, dtype=torch.bool)
        td = TensorDict(inputs | {"dones": nothing, "truncateds": nothing}, batch_size=[3])
        td["actions"] = torch.zeros(3, dtype=torch.int64)
        tables = []
        for names, aliases in (("abcd", {}), ("abcz", {"z": "d"}), ("abcz", {})):
            loss = KickstartConfig(teacher=str(teacher), aliases=aliases).build()
            loss.initialize(student(*names))
            loss.observe(td)
            tables.append(td["teacher_log_probs"])
        assert torch.equal(tables[1], tables[0])
        assert (tables[2][:, 3] == -torch.inf).all()
        loss = KickstartConfig(teacher=str(teacher), aliases={"y": "d"}).build()
        with pytest.raises(
            GlulamError, match=r"loss kickstart: teacher .*alias 'y' for 'd': the environment .* no 'y'"
        ):
            loss.initialize(student(*"abcz"))

    def test_a_teacher_of_none_of_them_is_refused(self, teacher, student):
        loss = KickstartConfig(teacher=str(teacher)).build()
        message = "it knows a, b, c, d, and the world has jump, duck, fire, hide: it can teach no action"
        with pytest.raises(GlulamError, match=message):
            loss.initialize(student("jump", "duck", "fire", "hide"))


class TestMistakes:
    def test_values_in_units_that_the_teacher_does_not_know(self, trainer, teacher):
        message = (
            r"^loss kickstart: normalize_returns puts values into units that the teacher does not know: "
            r"set kickstart\.value_coef to 0$"
        )
        with pytest.raises(GlulamError, match=message):
            trainer(losses=("ppo", kickstart(teacher)), normalize_returns=True)

    def test_actions_are_taught_whatever_the_units_of_values(self, trainer, teacher):
        """Oracle: the loss put together from its parts, those that the trainer logs."""
        losses = ("ppo", kickstart(teacher, value_coef=0, coef=2.0))
        made = trainer(losses=losses, normalize_returns=True, epochs=1, minibatches=1)
        metrics = made.update()
        assert metrics["reward_scale"] != 1
        student = metrics["ppo/policy_loss"] + 0.5 * metrics["ppo/value_loss"] - 0.01 * metrics["ppo/entropy"]
        assert metrics["loss"] == pytest.approx(student + 2 * metrics["kickstart/divergence"])

    def test_a_key_that_something_else_writes(self, teacher):
        with pytest.raises(glulam.PolicyError) as caught:
            glulam.resolve("toy", losses=["ppo", kickstart(teacher, teacher_values_key="values")])
        [fault] = caught.value.faults
        assert fault.code == "GL302"
        assert fault.message == (
            "loss KickstartConfig writes 'values' (its teacher_values_key), which layer 'toy_table' writes already"
        )

    def test_a_size_that_nobody_knows_is_a_fault_of_the_loss(self):
        @glulam.layer
        class Odd(glulam.LossConfig):
            own_key: str = glulam.stored("own", shape="width", writer="loss")

        with pytest.raises(
            glulam.PolicyError, match=r"GL502 loss Odd: .*own_key has dim 'width'; what a loss writes has"
        ):
            glulam.resolve("toy", env="toy:cues", losses=[Odd()])

    def test_two_keys_of_one_name(self, teacher):
        losses = [kickstart(teacher, teacher_values_key="said", teacher_log_probs_key="said")]
        with pytest.raises(
            glulam.PolicyError, match=r"GL302 loss KickstartConfig writes 'said' \(its teacher_values_key"
        ):
            glulam.resolve("toy", losses=losses)

    def test_a_teacher_that_was_replaced_is_no_longer_the_same(self, trainer, teacher, tmp_path):
        made = trainer(losses=("ppo", kickstart(teacher)))
        state = made.terms["kickstart"].state_dict()
        torch.manual_seed(8)
        glulam.save(glulam.build("toy", "toy:cues"), teacher)
        with pytest.raises(GlulamError, match=r"teacher .* is not the one that this run began with"):
            trainer(losses=("ppo", kickstart(teacher))).terms["kickstart"].load_state_dict(state)

    def test_a_teacher_that_is_not_there(self, trainer):
        message = r"loss kickstart: teacher nowhere\.safetensors \(looked for in .*\): there is no checkpoint nowhere"
        with pytest.raises(GlulamError, match=message):
            trainer(losses=("ppo", kickstart("nowhere.safetensors")))

    def test_a_student_whose_head_gives_no_probabilities(self):
        with pytest.raises(glulam.PolicyError, match=r"GL501 loss KickstartConfig needs 'probs' \(its log_probs_key\)"):
            glulam.resolve("toy", losses=[kickstart("x", log_probs_key="probs")])

    def test_a_teacher_without_a_path(self):
        with pytest.raises(glulam.PolicyError, match=r"GL103 loss 'kickstart': .*teacher"):
            glulam.resolve("toy", losses=["kickstart"])
