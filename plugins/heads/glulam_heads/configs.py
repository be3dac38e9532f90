"""What this plugin offers: the configs of its layers, without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import attrs
from attrs.validators import gt, in_, optional

import glulam

if TYPE_CHECKING:
    from glulam_heads.bilinear import BilinearActor
    from glulam_heads.distribution import ActionDistribution
    from glulam_heads.embedding import ActionEmbedding
    from glulam_heads.gaussian import GaussianDistribution
    from glulam_heads.linear_actor import LinearActor
    from glulam_heads.multi_discrete import MultiDiscreteDistribution
    from glulam_heads.previous_action import PreviousAction
    from glulam_heads.value import ValueHead

__all__ = [
    "ActionDistributionConfig",
    "ActionEmbeddingConfig",
    "BilinearActorConfig",
    "GaussianDistributionConfig",
    "LinearActorConfig",
    "MultiDiscreteDistributionConfig",
    "PreviousActionConfig",
    "ValueHeadConfig",
]

_positive: Any = optional(gt(0))  # Any: attrs types a validator by the field it is first used in


@glulam.layer
class ActionEmbeddingConfig(glulam.LayerConfig):
    """One learned row an action, found by the action's name in whatever order a world lists them; zeros if unknown.

    Attributes:
        out_key: Key of the embeddings, a row for each of the world's actions in its order; all rows of a batch share
            it.
        embed_dim: Width of a row.
        max_actions: Rows of the table, one for each action name that is known; more are refused.
        init_scale: The table's largest entry at first; at 1 rows have a norm of about 1, and the original's 0.1 keeps
            logits so small that policies hardly learn.
    """

    out_key: str = glulam.writes("action_embedding", shape="env.num_actions embed_dim", batched=False)
    embed_dim: int = attrs.field(default=16, validator=gt(0))
    max_actions: int = attrs.field(default=100, validator=gt(0))
    init_scale: float = attrs.field(default=1.0, validator=gt(0))

    def build(self) -> ActionEmbedding:
        """Return the module."""
        from glulam_heads.embedding import ActionEmbedding

        return ActionEmbedding(self.max_actions, self.embed_dim, self.init_scale)


@glulam.layer
class BilinearActorConfig(glulam.LayerConfig):
    """Logits as the product of a query and each action's embedding.

    Attributes:
        in_key: Key of the input, one vector a row.
        embedding_key: Key of the actions' embeddings, one row an action, shared by all rows of a batch.
        out_key: Key of the logits, one an action.
        in_dim: Width of the input; inferred from the layer that writes it where it is left out.
        embed_dim: Width of an embedding; inferred from the layer that writes it where it is left out.
        hidden_size: Width of the hidden layer (ReLU) before the query; null for no hidden layer.
        init_gain: Gain of the query's weights, which start orthogonal; at 1 the first policy is close to uniform and
            free to grow.
    """

    in_key: str = glulam.reads("core", shape="in_dim")
    embedding_key: str = glulam.reads("action_embedding", shape="A embed_dim", batched=False)
    out_key: str = glulam.writes("logits", shape="A")
    in_dim: int | None = attrs.field(default=None, validator=_positive)
    embed_dim: int | None = attrs.field(default=None, validator=_positive)
    hidden_size: int | None = attrs.field(default=512, validator=_positive)
    init_gain: float = attrs.field(default=1.0, validator=gt(0))

    def build(self) -> BilinearActor:
        """Return the module; GlulamError where a width is neither given nor inferred yet."""
        from glulam_heads.bilinear import BilinearActor

        widths = _known("in_dim", self.in_dim), _known("embed_dim", self.embed_dim)
        return BilinearActor(*widths, self.hidden_size, self.init_gain)


@glulam.layer
class LinearActorConfig(glulam.LayerConfig):
    """Logits from one linear map, with one row of weights an action, found by the action's name; 0 if unknown.

    Attributes:
        in_key: Key of the input, one vector a row.
        out_key: Key of the logits, one for each of the world's actions in its order.
        in_dim: Width of the input; inferred from the layer that writes it where it is left out.
        max_actions: Rows of the table of weights, one for each action name that is known; more are refused.
        init_gain: Gain of the weights, which start orthogonal; a small one makes the first policy close to uniform.
    """

    in_key: str = glulam.reads("core", shape="in_dim")
    out_key: str = glulam.writes("logits", shape="env.num_actions")
    in_dim: int | None = attrs.field(default=None, validator=_positive)
    max_actions: int = attrs.field(default=100, validator=gt(0))
    init_gain: float = attrs.field(default=0.01, validator=gt(0))

    def build(self) -> LinearActor:
        """Return the module; GlulamError where `in_dim` is neither given nor inferred yet."""
        from glulam_heads.linear_actor import LinearActor

        return LinearActor(_known("in_dim", self.in_dim), self.max_actions, self.init_gain)


@glulam.layer
class ValueHeadConfig(glulam.LayerConfig):
    """The value of a state: one hidden layer, one number a row.

    Attributes:
        in_key: Key of the input, one vector a row.
        out_key: Key of the values, one number a row.
        in_dim: Width of the input; inferred from the layer that writes it where it is left out.
        hidden_size: Width of the hidden layer.
        activation: The function after the hidden layer.
    """

    in_key: str = glulam.reads("core", shape="in_dim")
    out_key: str = glulam.writes("values", shape="")
    in_dim: int | None = attrs.field(default=None, validator=_positive)
    hidden_size: int = attrs.field(default=1024, validator=gt(0))
    activation: Literal["tanh", "relu"] = attrs.field(default="tanh", validator=in_(("tanh", "relu")))

    def build(self) -> ValueHead:
        """Return the module; GlulamError where `in_dim` is neither given nor inferred yet."""
        from glulam_heads.value import ValueHead

        return ValueHead(_known("in_dim", self.in_dim), self.hidden_size, self.activation)


@glulam.layer
class ActionDistributionConfig(glulam.LayerConfig):
    """A categorical distribution over actions: samples them in rollout, scores given ones in training.

    Attributes:
        in_key: Key of the logits, one an action.
        mask_key: Key of the mask, True at actions that are allowed. In a world that does not offer it all are, and
            null never reads one.
        actions_key: Key of the sampled actions, as indices into the world's list of actions.
        log_prob_key: Key of the log probabilities of the actions that are sampled or scored, one number a row.
        entropy_key: Key of the entropies of the distribution, in nats, one number a row.
        full_log_probs_key: Key of the log probabilities of all actions.
    """

    in_key: str = glulam.reads("logits", shape="A")
    mask_key: str | None = glulam.reads("action_mask", dtype="bool", shape="A", if_offered=True)
    actions_key: str = glulam.writes("actions", dtype="int64", shape="", phase="act")
    log_prob_key: str = glulam.writes("act_log_prob", shape="")
    entropy_key: str = glulam.writes("entropy", shape="", phase="score")
    full_log_probs_key: str = glulam.writes("full_log_probs", shape="A", phase="score")

    def build(self) -> ActionDistribution:
        """Return the module."""
        from glulam_heads.distribution import ActionDistribution

        return ActionDistribution()


@glulam.layer
class MultiDiscreteDistributionConfig(glulam.LayerConfig):
    """Categorical distributions over the options of several choices; one option of each is taken in a step.

    Attributes:
        in_key: Key of the logits, one an option, those of all choices in turn.
        mask_key: Key of the mask, True at options that are allowed. In a world that does not offer it all are, and
            null never reads one.
        actions_key: Key of the sampled actions: of each choice, the number of the option within it.
        log_prob_key: Key of the log probabilities of the actions that are sampled or scored, summed over choices.
        entropy_key: Key of the entropies of the distributions, in nats, summed over choices.
        full_log_probs_key: Key of the log probabilities of all options, each choice normalised by itself.
    """

    in_key: str = glulam.reads("logits", shape="A")
    mask_key: str | None = glulam.reads("action_mask", dtype="bool", shape="A", if_offered=True)
    actions_key: str = glulam.writes("actions", dtype="int64", shape="env.num_choices", phase="act")
    log_prob_key: str = glulam.writes("act_log_prob", shape="")
    entropy_key: str = glulam.writes("entropy", shape="", phase="score")
    full_log_probs_key: str = glulam.writes("full_log_probs", shape="A", phase="score")

    def build(self) -> MultiDiscreteDistribution:
        """Return the module."""
        from glulam_heads.multi_discrete import MultiDiscreteDistribution

        return MultiDiscreteDistribution()


@glulam.layer
class GaussianDistributionConfig(glulam.LayerConfig):
    """Normal distributions over the numbers of a continuous action, in units of the range that a world gives each.

    An action is middle + half range * (mean + std * noise). It may lie beyond the bounds, and the environment clips it.
    Without a bound on one side or both the half range is 1, and the middle 0, or 1 inside the bound that excludes 0.

    Attributes:
        in_key: Key of the means, one for each number; what an actor writes as logits.
        actions_key: Key of the sampled actions, in the environment's units.
        log_prob_key: Key of the log probabilities of the actions that are sampled or scored, summed over numbers.
        entropy_key: Key of the entropies of the distributions, in nats, summed over numbers.
        max_actions: How many names of numbers may be known, each with its standard deviation; more are refused.
        init_log_std: Log standard deviation of every number at first, in units of the half range; at -0.5 (0.61) nine
            in ten samples of a mean in the middle lie within the bounds.
    """

    in_key: str = glulam.reads("logits", shape="env.num_actions")
    actions_key: str = glulam.writes("actions", dtype="float32", shape="env.num_actions", phase="act")
    log_prob_key: str = glulam.writes("act_log_prob", shape="")
    entropy_key: str = glulam.writes("entropy", shape="", phase="score")
    max_actions: int = attrs.field(default=100, validator=gt(0))
    init_log_std: float = -0.5

    def build(self) -> GaussianDistribution:
        """Return the module."""
        from glulam_heads.gaussian import GaussianDistribution

        return GaussianDistribution(self.max_actions, self.init_log_std)


@glulam.layer
class PreviousActionConfig(glulam.LayerConfig):
    """The previous action, as learned rows found by name, and the reward that came of it; zeros in a first step.

    Attributes:
        actions_key: Key of the actions of the step before, of any kind.
        reward_key: Key of the rewards of the step before; null leaves them out.
        dones_key: Key of the flags of rows whose episode has ended before this step.
        truncateds_key: Key of the flags of rows whose episode was cut before this step.
        out_key: Key of the vector.
        embed_dim: Width of an action's row.
        max_actions: Rows of the table, one for each action name that is known; more are refused.
        init_scale: The table's largest entry at first.
        reward_clip: The largest magnitude of a reward; what is beyond is cut.
    """

    actions_key: str = glulam.reads("last_actions", dtype="any", shape="...")
    reward_key: str | None = glulam.reads("last_rewards", dtype="float32", shape="", optional=True)
    dones_key: str = glulam.reads("dones", dtype="bool", shape="")
    truncateds_key: str = glulam.reads("truncateds", dtype="bool", shape="")
    out_key: str = glulam.writes("previous", shape="out_dim")
    embed_dim: int = attrs.field(default=16, validator=gt(0))
    max_actions: int = attrs.field(default=100, validator=gt(0))
    init_scale: float = attrs.field(default=1.0, validator=gt(0))
    reward_clip: float = attrs.field(default=10.0, validator=gt(0))

    @property
    def out_dim(self) -> int:
        """Width of the vector: the row, and the reward if there is one."""
        return self.embed_dim + (self.reward_key is not None)

    def build(self) -> PreviousAction:
        """Return the module."""
        from glulam_heads.previous_action import PreviousAction

        return PreviousAction(self.max_actions, self.embed_dim, self.init_scale, self.reward_clip)


def _known(name: str, width: int | None) -> int:
    if width is None:
        msg = f"{name} is not known; set it, or let a policy infer it"
        raise glulam.GlulamError(msg)
    return width
