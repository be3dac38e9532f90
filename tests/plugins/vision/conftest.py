"""A policy around one layer, so that the resolver infers its sizes."""

import attrs
import pytest

import glulam
from glulam import ActionSpec, EnvSpec, TokenLayout


@glulam.layer
class _Shaper(glulam.ObsShaperConfig):
    """A box of the view, of 4 channels."""

    in_key: str = glulam.reads("env_obs", dtype="uint8", shape="env.num_tokens env.token_columns")
    out_key: str = glulam.writes("box", shape="4 env.view_height env.view_width")


@glulam.layer
class _Head(glulam.LayerConfig):
    in_key: str = glulam.reads()
    out_key: str = glulam.writes("actions", dtype="int64", shape="", phase="act")
    log_prob_key: str = glulam.writes("act_log_prob", shape="")


@pytest.fixture
def resolved():
    """Return a function: a layer's config to the same in a resolved policy, and the dims that it writes."""

    def run(config, height, width):
        namespace = {"obs_shaper": _Shaper(), "layer": config, "action_head": _Head(in_key=config.out_key)}
        annotated = {"__annotations__": dict.fromkeys(namespace, object), **namespace, "name": "test"}
        cls = attrs.frozen(type("Policy", (glulam.PolicyConfig,), annotated))
        env = EnvSpec(
            name="world",
            tokens=TokenLayout(count=5),
            view_height=height,
            view_width=width,
            features=(),
            actions=ActionSpec(names=("noop",)),
        )
        policy = glulam.resolve(cls(), env=env)
        return policy.layers[-1].config, policy.keys[config.out_key].dims

    return run
