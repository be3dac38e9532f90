"""Ways to compute the parts of a policy: ours, the plain one, and what torch or TorchRL has for it; see `parts`.

Legend: `B` rows, `Q` queries, `D` width, `A` actions.
"""

from collections.abc import Callable
from types import SimpleNamespace
from typing import NamedTuple

import torch
from torch import nn
from torch.distributions import Categorical
from torchrl.modules import ConvNet, MaskedCategorical

from glulam import Repeated
from tests.benchmarks.plain import PlainPolicy
from tests.benchmarks.plain_weights import plain_twin
from tests.benchmarks.torch_attention import TorchLatentAttention, TorchSelfAttention

__all__ = ["Part", "Way", "parts_of"]

QUERIES = 10  # of the policies that have self-attention
ALLOWED = 0.7  # of all actions, where some are masked


class Way(NamedTuple):
    """One way to compute a part: a function of the inputs that gives a tuple, and what holds its weights."""

    call: Callable
    module: nn.Module


class Part(NamedTuple):
    """What is computed in several ways.

    Attributes:
        ways: by name; `ours` is what the others are compared with.
        draw: the inputs from an observation, and what counts of the outputs, 1 or 0.
        checked: what has to be the same in all ways, of their inputs and outputs.
        phases: in which it takes place.
    """

    ways: dict[str, Way]
    draw: Callable
    checked: Callable = lambda _, outputs: outputs
    phases: tuple[str, ...] = ("rollout", "training")


def parts_of(policy):
    """Return the parts of a policy by name; each is listed with one policy alone where it is the same in several."""
    plain = plain_twin(policy)
    ours = {name: layer.module for name, layer in policy.layers.items()}
    if policy.resolved.name == "fast":
        return {"box_cnn": box_cnn(ours, plain)} | distributions(ours["action_head"], policy.env.num_actions)
    latent = ours.get("latent", ours["encoder"])
    found = {
        "tokens": tokens(ours, plain),
        "latents": latents(ours, latent, plain),
        "cross_attention": cross_attention(ours, latent, plain),
    }
    return found | ({"self_attention": self_attention(ours["encoder"], plain)} if "latent" in ours else {})


def tokens(ours, plain):
    shaper, tokenizer = ours["obs_shaper"], ours["tokenizer"]
    return Part(
        {
            "ours": Way(lambda obs: (tokenizer(shaper(obs)[0]),), tokenizer),
            "plain": Way(lambda obs: plain.encoder.tokens(obs)[:1], plain.encoder.tokens),
        },
        draw=bytes_of(shaper),
    )


def latents(ours, latent, plain):
    """From bytes to what is read of them; ours by the distinct tokens, and with every token written out."""
    shaper, tokenizer, reader = ours["obs_shaper"], ours["tokenizer"], plain.encoder.latent

    def by_distinct_tokens(obs):
        tokens, mask = shaper.repeated(obs)
        repeat = isinstance(tokens, Repeated)
        return (latent(tokens.map(tokenizer) if repeat else tokenizer(tokens), mask).view(len(obs), -1),)

    def written_out(obs):
        tokens, mask = shaper(obs)
        return (latent(tokenizer(tokens), mask).view(len(obs), -1),)

    return Part(
        {
            "ours": Way(by_distinct_tokens, nn.ModuleList([tokenizer, latent])),
            "ours, written out": Way(written_out, nn.ModuleList([tokenizer, latent])),
            "plain": Way(
                lambda obs: (reader(*plain.encoder.tokens(obs)).flatten(1),),
                nn.ModuleList([plain.encoder.tokens, reader]),
            ),
        },
        draw=lambda obs: ([obs], 1),
    )


def bytes_of(shaper):
    """Return how to draw bytes: what comes of padding and of what has no name is nobody's business."""
    return lambda obs: ([obs], shaper(obs)[1][..., None])


def cross_attention(ours, latent, plain):
    shaper, tokenizer, reader = ours["obs_shaper"], ours["tokenizer"], plain.encoder.latent
    peer = TorchLatentAttention(reader)

    def draw(obs):
        read, mask = shaper(obs)
        return [tokenizer(read), mask], 1

    return Part(
        {
            "ours": Way(lambda x, mask: (latent(x, mask).view(len(x), -1),), latent),
            "plain": Way(lambda x, mask: (reader(x, mask).flatten(1),), reader),
            "nn.MultiheadAttention": Way(lambda x, mask: (peer(x, mask).flatten(1),), peer),
        },
        draw=draw,
    )


def self_attention(encoder, plain):
    reader = plain.encoder.attention
    peer = TorchSelfAttention(reader)
    width = reader.cls.shape[-1]
    return Part(
        {
            "ours": Way(lambda x: (encoder(x),), encoder),
            "plain": Way(lambda x: (reader(x),), reader),
            "nn.MultiheadAttention": Way(lambda x: (peer(x),), peer),
        },
        draw=lambda obs: ([torch.randn(len(obs), QUERIES, width)], 1),
    )


def box_cnn(ours, plain):
    shaper, cnn, encoder = ours["obs_shaper"], ours["cnn"], plain.encoder
    convolutions = torchrl_convolutions(encoder.convolutions)
    return Part(
        {
            "ours": Way(lambda obs: (cnn(shaper(obs)),), cnn),
            "plain": Way(lambda obs: (encoder.convolutions(encoder.box(obs)),), encoder.convolutions),
            "plain box, torchrl ConvNet": Way(lambda obs: (convolutions(encoder.box(obs)),), convolutions),
        },
        draw=lambda obs: ([obs], 1),
    )


def torchrl_convolutions(plain):
    """Return TorchRL's module for a stack of convolutions with a ReLU after each, the weights copied."""
    layers = [layer for layer in plain if isinstance(layer, nn.Conv2d)]
    net = ConvNet(
        in_features=layers[0].in_channels,
        num_cells=[layer.out_channels for layer in layers],
        kernel_sizes=[layer.kernel_size for layer in layers],
        strides=[layer.stride for layer in layers],
        activation_class=nn.ReLU,
    )
    with torch.no_grad():
        for copy, weight in zip(net.parameters(), plain.parameters(), strict=True):
            copy.copy_(weight)
    return net


def distributions(head, count):
    """Return the parts of acting and of scoring, all actions allowed and some masked."""
    return {
        "act": acting(
            {
                "ours": lambda logits, _: head.act(logits),
                "plain": plain_act,
                "Categorical": sampled(lambda logits, _: Categorical(logits=logits)),
            },
            lambda rows: torch.ones(rows, count, dtype=torch.bool),
        ),
        "act, masked": acting(
            {"ours": head.act, "MaskedCategorical": sampled(masked_categorical)}, lambda rows: some_allowed(rows, count)
        ),
        "score": scoring(
            {
                "ours": lambda logits, _, actions: head.score(logits, None, actions)[:2],
                "plain": plain_score,
                "Categorical": scored(lambda logits, _: Categorical(logits=logits)),
            },
            lambda rows: torch.ones(rows, count, dtype=torch.bool),
        ),
        "score, masked": scoring(
            {"ours": lambda *inputs: head.score(*inputs)[:2], "MaskedCategorical": scored(masked_categorical)},
            lambda rows: some_allowed(rows, count),
        ),
    }


def some_allowed(rows, count):
    """Return a mask in which the first action is allowed everywhere."""
    mask = torch.rand(rows, count) < ALLOWED
    mask[:, 0] = True
    return mask


def acting(calls, mask_of):
    """Return the part of drawing actions; their log-probs have to be their own, whatever was drawn."""

    def draw(obs):
        mask = mask_of(len(obs))
        return [torch.randn(mask.shape), mask], 1

    def errors(inputs, outputs):
        logits, mask = inputs
        actions, log_probs = outputs
        full = logits.masked_fill(~mask, -torch.inf).log_softmax(-1)  # (B, A)
        return [log_probs - full.gather(-1, actions[:, None])[:, 0]]

    return Part({name: Way(call, nn.Module()) for name, call in calls.items()}, draw, errors, ("rollout",))


def scoring(calls, mask_of):
    """Return the part of scoring actions: log-probs and entropies."""

    def draw(obs):
        mask = mask_of(len(obs))
        actions = torch.multinomial(mask.float(), 1)[:, 0]
        return [torch.randn(mask.shape), mask, actions], 1

    return Part({name: Way(call, nn.Module()) for name, call in calls.items()}, draw, phases=("training",))


def masked_categorical(logits, mask):
    return MaskedCategorical(logits=logits, mask=mask)


def sampled(make):
    """Return how a distribution of torch's acts."""

    def call(logits, mask):
        distribution = make(logits, mask)
        actions = distribution.sample()
        return actions, distribution.log_prob(actions)

    return call


def scored(make):
    """Return how a distribution of torch's scores."""

    def call(logits, mask, actions):
        distribution = make(logits, mask)
        return distribution.log_prob(actions), distribution.entropy()

    return call


def plain_act(logits, _):
    """Act as the plain policy does once it has logits."""
    return PlainPolicy.act(SimpleNamespace(step=lambda *_: (logits, None)), None, False, False)[:2]


def plain_score(logits, _, actions):
    """Score as the plain policy does once it has logits."""
    return PlainPolicy.score(SimpleNamespace(unroll=lambda *_: (logits, None)), None, None, actions, None)[:2]
