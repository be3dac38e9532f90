"""Weights that two layers share: one parameter, two places; equal configs, checked."""

import pytest
import torch

import glulam
from glulam import PolicyError, build, resolve
from tests.core.test_policy import random_obs, step_of

SHARED = """\
glulam: 1
name: shared
obs_shaper: {layer: shaper}
layers:
  - {layer: pool}
  - {layer: linear, name: one, in_key: pooled, out_key: first, out_dim: 3}
  - {layer: linear, name: two, share: one, in_key: first, out_key: second}
  - {layer: lstm, name: memory, in_key: second, out_key: third, hidden_size: 3}
  - {layer: lstm, name: again, share: memory, in_key: third, out_key: fourth}
  - {layer: logit_table, in_key: fourth}
action_head: {layer: head}
"""


@pytest.fixture
def everything(registry, plugins):
    """Our own layers and those of `boards`."""
    import sys

    return glulam.Registry([str(plugins.folder), *sys.path])


@pytest.fixture
def policy(policy_file, everything, env):
    return build(policy_file(SHARED), env, registry=everything, keep="all")


def test_both_layers_use_one_parameter(policy):
    one, two = (policy.layers[name].module for name in ("one", "two"))
    assert one is not two
    for (name, ours), theirs in zip(two.named_parameters(), one.parameters(), strict=True):
        assert ours is theirs, name
    with torch.no_grad():
        next(one.parameters()).fill_(0.5)
    td = policy(step_of(random_obs(2)))
    weight, bias = one.parameters()
    torch.testing.assert_close(td["second"], td["first"] @ weight.T + bias)
    count = {name: sum(p.numel() for p in policy.layers[name].module.parameters()) for name in ("one", "memory")}
    assert sum(p.numel() for p in policy.parameters()) == count["one"] + count["memory"] + 1


def test_a_gradient_comes_from_both_places(policy):
    policy.layers["one"].module.zero_grad()
    td = policy(step_of(random_obs(2)))
    td["first"].sum().backward(retain_graph=True)
    first = next(policy.layers["one"].module.parameters()).grad.clone()
    td["second"].sum().backward()
    assert not torch.allclose(next(policy.layers["one"].module.parameters()).grad, 2 * first)


def test_each_memory_keeps_its_own_state(policy):
    policy(step_of(random_obs(2)))
    states = policy.memory_state(torch.arange(2))
    assert {"memory", "again"} <= set(states.keys())
    values = [torch.cat([v.flatten() for v in states[name].values()]) for name in ("memory", "again")]
    assert not torch.equal(*values)


def test_copies_moves_and_files_keep_the_tie(policy, tmp_path, everything):
    import copy

    path = tmp_path / "shared.safetensors"
    glulam.save(policy, path)
    loaded = glulam.load(path, registry=everything)
    for other in (copy.deepcopy(policy), loaded, policy.double()):
        one, two = (other.layers[name].module for name in ("one", "two"))
        assert all(a is b for a, b in zip(one.parameters(), two.parameters(), strict=True))
    obs = random_obs(3)
    policy = policy.float()
    policy.reset_memory()
    torch.testing.assert_close(loaded(step_of(obs))["values"], policy(step_of(obs))["values"])
    from glulam.checkpoint import read_checkpoint

    stored = read_checkpoint(path).tensors
    assert not any(name.startswith(("layers.two.", "layers.again.")) for name in stored)
    warm = glulam.load(path, only=["two"], registry=everything)
    assert torch.equal(next(warm.layers["one"].module.parameters()), next(loaded.layers["one"].module.parameters()))


def test_the_complete_policy_says_what_is_shared_and_resolves_to_itself(policy_file, everything):
    resolved = resolve(policy_file(SHARED), registry=everything)
    mapping = resolved.to_mapping()
    assert mapping["layers"][2]["share"] == "one"
    assert mapping["layers"][2]["out_dim"] == 3
    assert resolve(mapping, registry=everything).to_mapping() == mapping


@pytest.mark.parametrize(
    ("old", "new", "code", "words"),
    [
        ("share: one", "share: on", "GL104", "shares the weights of 'on', which is no layer"),
        ("share: one", "share: obs_shaper", "GL104", "which is no layer"),
        ("share: one", "share: two", "GL104", "shares its own weights"),
        ("share: one", "share: again", "GL104", "shares the weights of 'again', which shares those of another"),
        ("share: one", "share: pool", "GL104", "is a linear, but 'pool', whose weights it shares, is a pool"),
        ("share: one", "share: [one]", "GL104", "share is ['one'], no layer's name"),
        ("share: one,", "share: one, out_dim: 4,", "GL104", "out_dim is 4, but 'one', whose weights it shares, has 3"),
        ("in_key: first, out_key: second", "in_key: pooled, out_key: second, out_dim: 3", None, ""),
        ("in_key: second, out_key: third", "in_key: tokens, out_key: third", "GL401", "reads 'tokens' as [in_dim]"),
        ("out_dim: 3", "out_dim: three", "GL104", "out_dim: expected an integer, found 'three'"),
    ],
)
def test_what_cannot_be_shared(policy_file, everything, env, old, new, code, words):
    assert old in SHARED
    path = policy_file(SHARED.replace(old, new))
    if code is None:
        assert resolve(path, env=env, registry=everything)
        return
    with pytest.raises(PolicyError) as caught:
        resolve(path, env=env, registry=everything)
    assert [fault.code for fault in caught.value.faults] == [code], str(caught.value)
    assert words in str(caught.value)


def test_a_python_config_names_what_it_shares(everything, env, policy_file):
    import attrs

    from glulam_basics.configs import LinearConfig
    from glulam_memory.configs import LstmConfig

    layers = {name: everything.layers[name].load() for name in ("shaper", "pool", "logit_table", "head")}

    @attrs.frozen
    class Shared(glulam.PolicyConfig):
        shares = {"two": "one", "again": "memory"}  # noqa: RUF012 - annotated in the base class
        name: str = "shared"
        obs_shaper: object = layers["shaper"]()
        pool: object = layers["pool"]()
        one: object = LinearConfig(in_key="pooled", out_key="first", out_dim=3)
        two: object = LinearConfig(in_key="first", out_key="second", out_dim=3)
        memory: object = LstmConfig(in_key="second", out_key="third", hidden_size=3)
        again: object = LstmConfig(in_key="third", out_key="fourth", hidden_size=3)
        logit_table: object = layers["logit_table"](in_key="fourth")
        action_head: object = layers["head"]()

    resolved = resolve(Shared(), env=env, registry=everything)
    assert resolved.to_mapping() == resolve(policy_file(SHARED), env=env, registry=everything).to_mapping()


def test_a_width_that_follows_from_another_key_is_told_with_both(policy_file, everything, env):
    text = SHARED.replace("out_dim: 3", "out_dim: 5")
    with pytest.raises(PolicyError) as caught:
        resolve(policy_file(text), env=env, registry=everything)
    assert [(f.code, f.layer, f.message) for f in caught.value.faults] == [
        ("GL401", "two", "in_dim is 5, but 'one', whose weights it shares, has 3"),
        ("GL401", "again", "in_dim is 3, but 'memory', whose weights it shares, has 5"),
    ]
