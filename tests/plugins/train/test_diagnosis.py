"""Where a number that is none came from, each put there by hand."""

import pytest
import torch

from glulam import GlulamError
from glulam_train.diagnosis import first_not_finite


class Spoils(torch.autograd.Function):
    """Lets numbers through and spoils their gradient."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, grad):
        return grad * float("nan")


def spoil(made, layer, change):
    """Have a layer's module return what `change` makes of its outputs."""
    module = made.policy.layers[layer].module
    whole = module.forward

    def forward(*inputs):
        found = whole(*inputs)
        return tuple(map(change, found)) if isinstance(found, tuple) else change(found)

    module.forward = forward


def told(made):
    """Learn once more from what was played before."""
    made.rollout.collect = lambda _: made.rollout.outcome
    with pytest.raises(GlulamError) as caught:
        made.update()
    return str(caught.value)


class TestWhatIsNamed:
    @pytest.fixture
    def made(self, trainer):
        made = trainer(learning_rate=1e-4)
        made.update()
        return made

    def test_the_layer_whose_output_is_bad_first(self, made):
        spoil(made, "toy_table", lambda x: x * float("nan"))
        names = list(made.policy.layers["toy_table"].out_keys)
        assert f"what first is not finite is the output {names[0]!r} of layer 'toy_table'" in told(made)

    def test_the_layer_in_which_a_gradient_goes_bad(self, made):
        spoil(made, "toy_table", Spoils.apply)
        message = told(made)
        assert "what first is not finite is the gradient of layer 'toy_table'. The last checkpoint is intact" in message
        assert message.startswith("training stopped after 64 agent-steps: the loss is ")
        assert message.endswith("Try a smaller learning_rate than 0.0001")

    def test_a_loss(self, trainer):
        made = trainer(losses=("ppo", {"loss": "toy_nan", "after": 6}))
        made.update()  # in which it is called six times
        assert "what first is not finite is the loss 'toy_nan'" in told(made)

    def test_a_weight(self, made):
        with torch.no_grad():
            made.policy.layers["toy_table"].module.critic.bias.fill_(float("inf"))
        assert "what first is not finite is the weight layers.toy_table.module.critic.bias" in told(made)

    def test_the_norm_where_each_number_is_finite_and_the_policy_is_as_it_was(self, made):
        made.update()
        part = next(made.buffer.minibatches(2, made.shuffles))
        before = made.policy.keep
        assert first_not_finite(made.policy, part.steps, part.starts, {"ppo": 1.0}) == "the norm of all gradients"
        assert made.policy.keep == before
