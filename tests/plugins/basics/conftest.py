"""A policy around the layers of a test, so that the resolver infers their widths."""

import attrs
import pytest

import glulam
from glulam import ActionSpec, EnvSpec, TokenLayout


@glulam.layer
class Shaper(glulam.ObsShaperConfig):
    """Tokens, a narrower and a wider key, and a set that does not vary."""

    in_key: str = glulam.reads("env_obs", dtype="uint8", shape="env.num_tokens env.token_columns")
    out_key: str = glulam.writes("tokens", shape="N 3")
    narrow_key: str = glulam.writes("narrow", shape="4")
    wide_key: str = glulam.writes("wide", shape="6")
    set_key: str = glulam.writes("set", shape="5 3")


@glulam.layer
class Head(glulam.LayerConfig):
    in_key: str = glulam.reads("logits")
    out_key: str = glulam.writes("actions", dtype="int64", shape="", phase="act")
    log_prob_key: str = glulam.writes("act_log_prob", shape="")


@pytest.fixture
def complete():
    """Return a function: layer configs by name to the same in a resolved policy, and the dims of the last key."""

    def run(**layers):
        namespace = {"obs_shaper": Shaper(), **layers, "action_head": Head(in_key=list(layers.values())[-1].out_key)}
        annotated = {"__annotations__": dict.fromkeys(namespace, object), **namespace, "name": "test"}
        cls = attrs.frozen(type("Policy", (glulam.PolicyConfig,), annotated))
        env = EnvSpec(
            name="world",
            tokens=TokenLayout(count=5),
            view_height=3,
            view_width=3,
            features=(),
            actions=ActionSpec(names=("noop",)),
        )
        resolved = glulam.resolve(cls(), env=env)
        last = resolved.layers[-1].config
        return [layer.config for layer in resolved.layers], resolved.keys[last.out_key].dims

    return run
