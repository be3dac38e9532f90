"""Defects of the original in how a policy learns; each test states one and would fail if we had it.

`B` rows, `H` steps.
"""

import pytest
import torch

import glulam
from glulam import GlulamError
from glulam_train.advantages import gae
from glulam_train.buffer import ExperienceBuffer
from glulam_train.kickstart import KickstartLoss
from glulam_train.ppo import PpoLoss
from glulam_train.prediction import PredictionLoss
from glulam_train.settings import TrainSettings
from glulam_train.trainer import Trainer
from tests.original.conftest import outline
from tests.plugins.train.conftest import toy_mill  # noqa: F401 - a fixture, the toy world: used by all of this module

BODY = {"fourier_tokens", "encoder", "memory"}
LOSSES = {
    "ppo": (PpoLoss, "__call__", BODY | {"critic", "actor"}),
    "kickstart": (KickstartLoss, "__call__", BODY | {"critic", "actor"}),
    "prediction": (PredictionLoss, "forward", BODY),
}


def trainer(*losses, **changes):
    """Return a trainer of the small policy in the toy world: 8 rows of 8 steps."""
    small = {"policy": "small", "env": "toy:cues", "num_envs": 4, "horizon": 8, "minibatches": 2, "losses": losses}
    settings = TrainSettings(**(small | changes))
    torch.manual_seed(0)
    environment = glulam.make_environment("toy:cues", num_envs=4, seed=0)
    return Trainer(glulam.build(outline(), environment.spec, losses=losses), environment, settings)


@pytest.fixture
def losses(tmp_path):
    """Each loss as settings hold it; the teacher is a small policy with a will."""
    torch.manual_seed(7)
    teacher = glulam.build(outline(), "toy:cues")
    with torch.no_grad():
        for weight in teacher.layers["actor"].module.parameters():
            weight.mul_(30)
    glulam.save(teacher, tmp_path / "teacher.safetensors")
    taught = {"loss": "kickstart", "teacher": str(tmp_path / "teacher.safetensors")}
    return {"ppo": "ppo", "kickstart": taught, "prediction": "prediction"}


def reached(made, name):
    """Return the layers that a gradient of a loss reaches."""
    part = next(made.buffer.minibatches(1))
    current, learned = made._evaluate(part)
    loss, _ = made.terms[name](current, learned.stored())
    weights = dict(made.policy.named_parameters())
    if not loss.requires_grad:
        return set()
    grads = torch.autograd.grad(loss, weights.values(), allow_unused=True)
    return {path.split(".")[1] for path, grad in zip(weights, grads, strict=True) if grad is not None and grad.any()}


def check_gradient(name, losses):
    """A loss had no gradient: it was logged, and nothing was learned of it."""
    made = trainer(losses[name])
    made.update()
    assert reached(made, name) == LOSSES[name][2]


class TestLosses:
    """Oracle: autograd, layer by layer; the trainer's own word on a loss that has none."""

    @pytest.mark.parametrize("name", LOSSES)
    def test_a_gradient_reaches_the_policy(self, name, losses):
        check_gradient(name, losses)

    @pytest.mark.parametrize("name", ["ppo", "kickstart"])
    def test_a_loss_without_one_is_refused(self, name, losses, monkeypatch):
        detached(name)(monkeypatch)
        with pytest.raises(GlulamError, match=f"the losses {name} have no gradient: nothing would be learned"):
            trainer(losses[name]).update()


def check_kickstart(losses):
    """Kickstarting could not run."""
    made = trainer(losses["kickstart"], learning_rate=0.01)
    teacher = {name: weight.clone() for name, weight in made.terms["kickstart"].teacher.named_parameters()}
    first = made.update()["kickstart/divergence"]
    for _ in range(14):
        last = made.update()["kickstart/divergence"]
    assert first > 0.05
    assert last < first / 4
    after = made.terms["kickstart"].teacher.named_parameters()
    assert all(torch.equal(teacher[name], weight) for name, weight in after)


def test_a_student_comes_close_to_its_teacher(losses):
    """Oracle: the divergence that is logged, before and after."""
    check_kickstart(losses)


def check_buffer(losses):
    """An update of the buffer wrote into a copy: what was computed never reached the minibatches."""
    made = trainer("ppo")
    for _ in range(2):
        before = {key: made.buffer[key].clone() for key in ("env_obs", "act_log_prob", "advantages", "returns")}
        made.update()
        outcome, stored = made.rollout.outcome, next(made.buffer.minibatches(1)).steps
        advantages, returns = gae(
            reward_tp1=outcome.reward_tp1,
            value_t=stored["values"],
            value_tp1=outcome.value_tp1,
            done_tp1=outcome.done_tp1,
            truncated_tp1=outcome.truncated_tp1,
            gamma=made.settings.gamma,
            gae_lambda=made.settings.gae_lambda,
        )
        torch.testing.assert_close(stored["advantages"], advantages)
        torch.testing.assert_close(stored["returns"], returns)
        for key, value in before.items():
            assert not torch.equal(made.buffer[key], value), key
    parts = torch.cat([part.steps["returns"] for part in made.buffer.minibatches(4)])  # (B, H)
    assert sorted(parts[:, 0].tolist()) == sorted(returns[:, 0].tolist())


def test_what_is_written_into_the_buffer_is_read_from_it(losses):
    """Oracle: advantages computed once more from the outcome of the rollout."""
    check_buffer(losses)


def detached(name):
    def sabotage(patch):
        patch.setattr(cls, method, lambda self, current, stored: call(self, current.detach(), stored))

    cls, method, _ = LOSSES[name]
    call = getattr(cls, method)
    return sabotage


def filled_into_a_copy(patch):
    def copied(self, key, value):
        fill(self, key, value) if key == "valid" else self.steps[key][torch.arange(self.rows)].copy_(value)

    fill = ExperienceBuffer.fill
    patch.setattr(ExperienceBuffer, "fill", copied)


def a_teacher_that_shrugs(patch):
    def shrug(self, td):
        observe(self, td)
        td["teacher_log_probs"] = torch.full_like(td["teacher_log_probs"], 0.25).log()

    observe = KickstartLoss.observe
    patch.setattr(KickstartLoss, "observe", shrug)


@pytest.mark.parametrize(
    ("sabotage", "check"),
    [
        (detached("prediction"), lambda losses: check_gradient("prediction", losses)),
        (a_teacher_that_shrugs, check_kickstart),
        (filled_into_a_copy, check_buffer),
    ],
)
def test_each_notices_its_defect(sabotage, check, losses, monkeypatch):
    sabotage(monkeypatch)
    with pytest.raises(AssertionError):
        check(losses)
