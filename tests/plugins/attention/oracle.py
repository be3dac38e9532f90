"""Attention row by row, head by head, token by token, in numpy float64."""

from __future__ import annotations

import math

import numpy as np

erf = np.vectorize(math.erf)


def arrays(module):
    """The parameters of a module by name, as numpy arrays."""
    return {name: value.detach().double().numpy() for name, value in module.named_parameters()}


def layer_norm(x, w, name):
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * w[f"{name}.weight"] + w[f"{name}.bias"]


def linear(x, w, name):
    return x @ w[f"{name}.weight"].T + w.get(f"{name}.bias", 0.0)


def gelu(x):
    return x * (1 + erf(x / math.sqrt(2))) / 2


def attention(queries, keys, values, num_heads):
    """`[Q, D]` over real tokens alone, `[N, D]`; zero where there is none."""
    out = np.zeros_like(queries)
    width = queries.shape[-1] // num_heads
    for q, head in np.ndindex(len(queries), num_heads):
        part = slice(head * width, (head + 1) * width)
        scores = [float(queries[q, part] @ key[part]) / math.sqrt(width) for key in keys]
        if not scores:
            continue
        weights = [math.exp(score - max(scores)) for score in scores]
        for weight, value in zip(weights, values, strict=True):
            out[q, part] += weight / sum(weights) * value[part]
    return out


def latent(module, tokens, num_layers, num_heads):
    """Latent attention of one row over its real tokens, `[N, in_dim]`."""
    w = arrays(module)
    normed = layer_norm(tokens, w, "token_norm")
    keys, values = linear(normed, w, "key"), linear(normed, w, "value")
    x = w["queries"][0]
    for number in range(num_layers):
        at = f"layers.{number}"
        queries = linear(layer_norm(x, w, f"{at}.attention_norm"), w, f"{at}.query")
        x = x + linear(attention(queries, keys, values, num_heads), w, f"{at}.attention_out")
        x = x + linear(gelu(linear(layer_norm(x, w, f"{at}.mlp.0"), w, f"{at}.mlp.1")), w, f"{at}.mlp.3")
    x = layer_norm(x, w, "norm")
    x = linear(x, w, "out") if "out.weight" in w else x
    return x[0] if len(x) == 1 else x


def self_attention(module, vectors, num_layers, num_heads):
    """Self-attention of one row over CLS and its real vectors; all of them ask, in every layer."""
    w = arrays(module)
    x = np.concatenate([w["cls"][0], vectors])
    for number in range(num_layers):
        at = f"layers.{number}"
        normed = layer_norm(x, w, f"{at}.norm")
        queries, keys, values = (linear(normed, w, f"{at}.{name}") for name in ("query", "key", "value"))
        x = x + linear(attention(queries, keys, values, num_heads), w, f"{at}.attention_out")
    return linear(layer_norm(x[0], w, "norm"), w, "out")


def pooled(module, vectors, method, num_heads):
    """Pooling of one row over its real vectors, `[N, in_dim]`; zeros where there is none."""
    w = arrays(module)
    if not len(vectors):
        pool = np.zeros(vectors.shape[1])
    elif method == "mean":
        pool = sum(vectors) / len(vectors)
    elif method == "first":
        pool = vectors[0]
    else:
        normed = layer_norm(vectors, w, "pool.norm")
        keys, values = linear(normed, w, "pool.key"), linear(normed, w, "pool.value")
        pool = attention(w["pool.query"].reshape(1, -1), keys, values, num_heads)[0]
    return linear(layer_norm(pool, w, "norm"), w, "out")


def randomise(module):
    """Make every parameter matter, the ones that start at 0 or 1 among them."""
    import torch

    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return module.double()
