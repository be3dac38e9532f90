"""Oracle: numpy, over all observations at once. `M` observations, `D` width."""

import numpy as np
import pytest
import torch

import glulam
from glulam import ActionSpec, BoxLayout, EnvSpec, GlulamError
from glulam_basics.configs import VectorShaperConfig


def world(*shape, dtype="float32"):
    return EnvSpec(name="world", box=BoxLayout(shape=shape, dtype=dtype), actions=ActionSpec(names=("left", "right")))


def shaper(*shape, dtype="float32", **options):
    return VectorShaperConfig(**options).instantiate(world(*shape, dtype=dtype).obs_meta()).module


def test_numbers_of_any_shape_become_one_vector():
    observation = torch.arange(12, dtype=torch.uint8).view(2, 2, 3)
    assert shaper(2, 3, dtype="uint8")(observation).tolist() == [[0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11]]


class TestNormalisation:
    def test_statistics_are_those_of_all_observations_whatever_the_parts(self):
        seen = np.random.default_rng(0).normal([3, -5, 0], [2, 0.1, 40], size=(100, 3)).astype(np.float32)
        module = shaper(3, normalize=True)
        for part in np.split(seen, [1, 2, 30]):
            module.update_statistics(torch.from_numpy(part))
        np.testing.assert_allclose(module.mean, seen.mean(0), rtol=1e-5)
        np.testing.assert_allclose(module.variance, seen.var(0), rtol=1e-4)
        expected = (seen - seen.mean(0)) / np.sqrt(seen.var(0) + 1e-8)
        np.testing.assert_allclose(module(torch.from_numpy(seen)), expected, atol=1e-3)

    def test_before_any_statistics_numbers_pass(self):
        assert shaper(1, normalize=True)(torch.tensor([[0.5]])).item() == pytest.approx(0.5)

    def test_outliers_are_clipped(self):
        assert shaper(1, normalize=True, clip=3.0)(torch.tensor([[50.0], [-50.0]])).tolist() == [[3.0], [-3.0]]

    def test_without_it_nothing_is_gathered_nor_saved(self):
        module = shaper(1)
        module.update_statistics(torch.ones(5, 1))
        assert module.count == 0
        assert not module.state_dict()

    def test_statistics_are_saved_with_the_weights(self):
        module = shaper(2, normalize=True)
        module.update_statistics(torch.randn(9, 2))
        twin = shaper(2, normalize=True)
        twin.load_state_dict(module.state_dict())
        x = torch.randn(3, 2)
        assert torch.equal(twin(x), module(x))
        assert not torch.equal(module(x), x)


class TestWorlds:
    def test_the_width_comes_from_the_world(self):
        assert VectorShaperConfig().instantiate(world(2, 5).obs_meta()).module.out_dim == 10

    def test_a_world_of_another_width_is_refused(self):
        with pytest.raises(GlulamError, match="'world' shows 3 numbers; vector_shaper takes 4 numbers"):
            shaper(4).initialize_to_environment(world(3))

    def test_tokens_are_refused(self):
        tokens = EnvSpec(
            name="maze",
            tokens=glulam.TokenLayout(count=5),
            view_height=3,
            view_width=3,
            actions=ActionSpec(names=("noop",)),
        )
        with pytest.raises(GlulamError, match="'maze' shows tokens; vector_shaper takes 4 numbers"):
            shaper(4).initialize_to_environment(tokens)
