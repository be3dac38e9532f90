"""A set as one vector."""

import re

import pytest
import torch
from tensordict import TensorDict

from glulam import GlulamError, PolicyError
from glulam_basics.configs import FlattenConfig, LinearConfig
from glulam_basics.flatten import Flatten


class TestValues:
    """Oracle: numbers counted by hand."""

    def test_vector_after_vector_row_by_row(self):
        x = torch.arange(12).view(2, 3, 2)
        assert Flatten(3, 2)(x).tolist() == [[0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11]]

    def test_the_order_is_kept_whatever_the_memory_looks_like(self):
        x = torch.arange(12).view(2, 2, 3).transpose(1, 2)
        assert Flatten(3, 2)(x).tolist() == [[0, 3, 1, 4, 2, 5], [6, 9, 7, 10, 8, 11]]

    def test_alone_on_a_tensordict(self):
        layer = FlattenConfig(in_key="x", out_key="y", num_vectors=2, in_dim=1).instantiate()
        td = TensorDict({"x": torch.tensor([[[1.0], [2.0]]])}, batch_size=[1])
        assert layer(td)["y"].tolist() == [[1, 2]]

    @pytest.mark.parametrize("shape", [(1, 2, 3), (1, 6), (1, 3, 2, 1)])
    def test_another_size_is_refused(self, shape):
        message = f"flatten: was built for sets of [3, 2], got {list(shape[1:])}"
        with pytest.raises(GlulamError, match=f"^{re.escape(message)}$"):
            Flatten(3, 2)(torch.zeros(shape))


class TestConfig:
    """Oracle: 5 vectors of 3 numbers are 15."""

    def test_sizes_are_inferred_and_the_width_goes_on(self, complete):
        configs, dims = complete(
            flatten=FlattenConfig(in_key="set", out_key="x"), linear=LinearConfig(in_key="x", out_key="y", out_dim=2)
        )
        assert (configs[0].num_vectors, configs[0].in_dim, configs[0].out_dim) == (5, 3, 15)
        assert (configs[1].in_dim, dims) == (15, (2,))

    def test_a_set_that_varies_is_a_fault(self, complete):
        message = "GL403 num_vectors cannot be inferred from 'tokens': its dim obs_shaper.N varies at run time"
        with pytest.raises(PolicyError, match=message) as error:
            complete(flatten=FlattenConfig(in_key="tokens", out_key="x"))
        (fault,) = error.value.faults
        assert fault.remedy == "set num_vectors, or pool the tokens first"

    def test_a_number_does_not_make_it_fixed(self, complete):
        with pytest.raises(PolicyError, match=r"GL401 reads 'tokens' as \[5, 3\], but obs_shaper writes \[N, 3\]"):
            complete(flatten=FlattenConfig(in_key="tokens", out_key="x", num_vectors=5))

    def test_a_vector_is_no_set(self, complete):
        with pytest.raises(PolicyError, match=r"GL401 reads 'wide' as .*, but obs_shaper writes \[6\]"):
            complete(flatten=FlattenConfig(in_key="wide", out_key="x"))

    @pytest.mark.parametrize("field", ["num_vectors", "in_dim"])
    def test_sizes_are_positive_and_must_be_known(self, field):
        sizes = {"num_vectors": 1, "in_dim": 1}
        with pytest.raises(ValueError, match=f"'{field}' must be > 0: 0"):
            FlattenConfig(in_key="x", out_key="y", **(sizes | {field: 0}))
        with pytest.raises(GlulamError, match=f"^{field} is not known; set it, or let a policy infer it$"):
            FlattenConfig(in_key="x", out_key="y", **(sizes | {field: None})).build()
