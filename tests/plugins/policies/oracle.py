"""The five reference policies once more: row by row, token by token, head by head, in numpy float64.

Written from the published description of the policies and of the token format, without torch and without the
plugins' code; from a resolved policy it takes numbers alone (`Sizes`). What they share is the names of weights.

Legend: `B` rows, `N` tokens, `Q` vectors, `D` width, `H` heads, `L` layers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from glulam import EnvSpec

# In vit_lstm the critic and the actor read the memory as it is, and the critic's activation is a ReLU.
PLAIN_MEMORY = ("vit_lstm",)
RELU_CRITIC = ("vit_lstm",)
NORM_EPSILON = 1e-5


@dataclass(frozen=True)
class Sizes:
    """The numbers that shapes of weights do not tell, and whether the memory is skipped."""

    num_freqs: int = 0
    latent_heads: int = 0
    self_heads: int = 0
    strides: tuple[int, ...] = ()
    skip: bool = False

    @classmethod
    def of(cls, mapping):
        """Take them from what `ResolvedPolicy.to_mapping` returns."""
        layers = {layer["layer"].rpartition(":")[2]: layer for layer in mapping["layers"]}
        return cls(
            num_freqs=layers.get("fourier_tokens", {}).get("num_freqs", 0),
            latent_heads=layers.get("latent_attention", {}).get("num_heads", 0),
            self_heads=layers.get("self_attention", {}).get("num_heads", 0),
            strides=tuple(layers.get("cnn", {}).get("strides", ())),
            skip=layers["lstm"]["skip"],
        )


@dataclass(frozen=True)
class Oracle:
    """A policy by name, in a world, with numpy weights under the names of its state_dict."""

    name: str
    env: EnvSpec
    sizes: Sizes
    weights: dict[str, np.ndarray]

    def step(self, observations, state=None, dones=None, truncateds=None):
        """One step of all rows, `[B, N, 3]` uint8: a dict of `[B, ...]` arrays, and the state after it.

        The state is `[B, L, 2, D]` (h and c), zeros if None; a row whose episode has ended starts from zeros.
        """
        rows, after = [], []
        for number, observation in enumerate(observations):
            ended = any(flags is not None and flags[number] for flags in (dones, truncateds))
            before = None if state is None or ended else state[number]
            outputs, new = self.row(observation, before)
            rows.append(outputs)
            after.append(new)
        return {key: np.stack([row[key] for row in rows]) for key in rows[0]}, np.stack(after)

    def row(self, observation, state):
        """One step of one row, `[N, 3]`: its outputs and state."""
        outputs = self.encode(observation)
        remembered, state = self.remember(outputs["encoded"], state)
        core = outputs["core"] = remembered if self.name in PLAIN_MEMORY else relu(remembered)

        critic = part(self.weights, "critic")
        hidden = linear(core, critic, "hidden")
        hidden = relu(hidden) if self.name in RELU_CRITIC else np.tanh(hidden)
        outputs["values"] = linear(hidden, critic, "out")[0]

        actor = part(self.weights, "actor")
        hidden = relu(linear(core, actor, "hidden")) if "hidden.weight" in actor else core
        query = outputs["actor_query"] = np.tanh(hidden @ actor["query"])
        rows = part(self.weights, "action_embedding")["weight"]
        logits = outputs["logits"] = np.array([query @ row for row in rows[: len(self.env.actions.names)]])
        highest = max(logits)
        outputs["log_probs"] = logits - highest - math.log(sum(math.exp(logit - highest) for logit in logits))
        return outputs, state

    def encode(self, observation):
        """What a row is before the memory: `encoded`, and on the way `box`, or `token_features` and `latents`."""
        encoder = part(self.weights, "encoder")
        if self.name == "fast":
            box = x = self.box(observation)
            convolutions = part(self.weights, "cnn")
            for number, stride in enumerate(self.sizes.strides):
                x = relu(convolution(x, convolutions, f"convolutions.{number}", stride))
            x = relu(linear(x.reshape(-1), encoder, "0"))
            return {"box": box, "encoded": relu(linear(x, encoder, "2"))}
        # Rows have different numbers of real tokens: their features stand at their places among N, zeros between.
        features, places = self.token_features(observation)
        spread = np.zeros((len(observation), features.shape[1]))
        spread[places] = features
        latent = part(self.weights, "latent") or encoder
        latents = latent_attention(features, latent, self.sizes.latent_heads)
        if "cls" not in encoder:
            return {"token_features": spread, "encoded": latents[0]}
        encoded = self_attention(latents, encoder, self.sizes.self_heads)
        return {"token_features": spread, "latents": latents, "encoded": encoded}

    def vocabulary(self):
        """Numeric features by id, then a name for each tag or action of the others, by id as well."""
        features = sorted(self.env.features, key=lambda feature: feature.id)
        names = [feature.name for feature in features if feature.values == "number"]
        for feature in features:
            if feature.values == "tag":
                names += [f"{feature.name}:{tag}" for tag in self.env.tags]
            if feature.values == "action":
                names += [f"{feature.name}:{action}" for action in self.env.actions.names]
        return names

    def read(self, observation):
        """The real tokens of a row: index among N, (row, column) or None, number of the name, value or None.

        A token without a place is global; a token without a value is a category, which is there or not.
        """
        vocabulary = self.vocabulary()
        features = {feature.id: feature for feature in self.env.features}
        said = []
        for index, (location, number, byte) in enumerate(observation.tolist()):
            feature = features.get(number)
            if location == self.env.tokens.padding or feature is None:
                continue
            name, value = feature.name, None
            if feature.values == "number":
                value = byte / feature.normalization
            else:
                known = self.env.tags if feature.values == "tag" else self.env.actions.names
                if byte >= len(known):
                    continue
                name = f"{feature.name}:{known[byte]}"
            place = None if location == self.env.tokens.global_location else divmod(location, 16)
            said.append((index, place, vocabulary.index(name), value))
        return said

    def box(self, observation):
        """`[names, height, width]`; global tokens stand at the centre, and the larger value stays."""
        height, width = self.env.view_height, self.env.view_width
        box = np.zeros((len(self.vocabulary()), height, width))
        for _, place, name, value in self.read(observation):
            row, column = (height // 2, width // 2) if place is None else place
            if row < height and column < width:
                box[name, row, column] = max(box[name, row, column], 1.0 if value is None else value)
        return box

    def token_features(self, observation):
        """Features of the real tokens, `[real, D]`, and where they are among N.

        Embedding of the name, cos and sin of the row, cos and sin of the column, value.
        """
        embedding = part(self.weights, "tokenizer")["embedding.weight"]
        frequencies = [2.0**k for k in range(self.sizes.num_freqs)]
        features, places = [], []
        for index, place, name, value in self.read(observation):
            position = []
            for axis, size in enumerate((self.env.view_height, self.env.view_width)):
                if place is None:
                    position += [0.0] * (2 * len(frequencies))
                    continue
                coordinate = 2 * place[axis] / (size - 1) - 1
                position += [math.cos(frequency * coordinate) for frequency in frequencies]
                position += [math.sin(frequency * coordinate) for frequency in frequencies]
            features.append([*embedding[name], *position, 0.0 if value is None else value])
            places.append(index)
        width = embedding.shape[1] + 4 * len(frequencies) + 1
        return np.array(features).reshape(-1, width), np.array(places, dtype=int)

    def remember(self, x, state):
        """The memory's output for one row, and its state `[L, 2, D]`."""
        w, y, after = part(self.weights, "memory"), x, []
        layers = sum(name.startswith("weight_hh") for name in w)
        for layer in range(layers):
            size = w[f"weight_hh_l{layer}"].shape[1]
            h, c = np.zeros((2, size)) if state is None else state[layer]
            gates = w[f"weight_ih_l{layer}"] @ y + w[f"bias_ih_l{layer}"]
            gates = gates + w[f"weight_hh_l{layer}"] @ h + w[f"bias_hh_l{layer}"]
            write, keep, new, show = gates.reshape(4, size)
            c = sigmoid(keep) * c + sigmoid(write) * np.tanh(new)
            y = sigmoid(show) * np.tanh(c)
            after.append((y, c))
        return (y + x if self.sizes.skip else y), np.array(after)


def part(weights, layer):
    """The weights of one layer, under the names of its module."""
    prefix = f"layers.{layer}.module."
    return {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}


def relu(x):
    return np.maximum(x, 0)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def gelu(x):
    return np.array([number * (1 + math.erf(number / math.sqrt(2))) / 2 for number in x.tolist()])


def linear(x, w, name):
    y = w[f"{name}.weight"] @ x
    return y + w[f"{name}.bias"] if f"{name}.bias" in w else y


def layer_norm(x, w, name):
    centred = x - x.sum() / len(x)
    variance = (centred @ centred) / len(x)
    return centred / math.sqrt(variance + NORM_EPSILON) * w[f"{name}.weight"] + w[f"{name}.bias"]


def convolution(x, w, name, stride):
    """`[C, height, width]` to `[out, ...]`, cell by cell, nothing around the edges."""
    weight, bias = w[f"{name}.weight"], w[f"{name}.bias"]
    size = weight.shape[-1]
    rows, columns = ((length - size) // stride + 1 for length in x.shape[1:])
    y = np.zeros((len(weight), rows, columns))
    for row, column in np.ndindex(rows, columns):
        top, left = row * stride, column * stride
        patch = x[:, top : top + size, left : left + size]
        for channel in range(len(weight)):
            y[channel, row, column] = (weight[channel] * patch).sum() + bias[channel]
    return y


def attention(queries, keys, values, num_heads):
    """What each of Q queries reads, head by head; nothing where there is nothing to read."""
    width = len(queries[0]) // num_heads
    read = np.zeros((len(queries), width * num_heads))
    for (number, query), head in ((pair, head) for pair in enumerate(queries) for head in range(num_heads)):
        own = slice(head * width, (head + 1) * width)
        scores = [float(query[own] @ key[own]) / math.sqrt(width) for key in keys]
        highest = max(scores, default=0.0)
        shares = [math.exp(score - highest) for score in scores]
        total = sum(shares)
        for share, value in zip(shares, values, strict=True):
            read[number, own] += share / total * value[own]
    return read


def latent_attention(tokens, w, num_heads):
    """Learned queries read tokens, `[Q, D]`: keys and values once, then cross-attention and MLP layer by layer."""
    tokens = [layer_norm(token, w, "token_norm") for token in tokens]
    keys, values = ([linear(token, w, name) for token in tokens] for name in ("key", "value"))
    latents = list(w["queries"][0])
    layer = 0
    while f"layers.{layer}.query.weight" in w:
        at = f"layers.{layer}"
        queries = [linear(layer_norm(x, w, f"{at}.attention_norm"), w, f"{at}.query") for x in latents]
        read = attention(queries, keys, values, num_heads)
        latents = [x + linear(y, w, f"{at}.attention_out") for x, y in zip(latents, read, strict=True)]
        hidden = [gelu(linear(layer_norm(x, w, f"{at}.mlp.0"), w, f"{at}.mlp.1")) for x in latents]
        latents = [x + linear(y, w, f"{at}.mlp.3") for x, y in zip(latents, hidden, strict=True)]
        layer += 1
    latents = [layer_norm(x, w, "norm") for x in latents]
    return np.array([linear(x, w, "out") if "out.weight" in w else x for x in latents])


def self_attention(vectors, w, num_heads):
    """CLS and the vectors attend to each other, layer by layer; CLS is read out."""
    vectors = [w["cls"][0, 0], *vectors]
    layer = 0
    while f"layers.{layer}.query.weight" in w:
        at = f"layers.{layer}"
        normed = [layer_norm(x, w, f"{at}.norm") for x in vectors]
        queries, keys, values = ([linear(x, w, f"{at}.{name}") for x in normed] for name in ("query", "key", "value"))
        read = attention(queries, keys, values, num_heads)
        vectors = [x + linear(y, w, f"{at}.attention_out") for x, y in zip(vectors, read, strict=True)]
        layer += 1
    return linear(layer_norm(vectors[0], w, "norm"), w, "out")
