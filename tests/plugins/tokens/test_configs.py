"""The configs of the tokens plugin."""

from __future__ import annotations

import subprocess
import sys

import pytest

from glulam_tokens.configs import (
    BoxShaperConfig,
    CategoricalTokensConfig,
    FourierTokensConfig,
    LearnedTokensConfig,
    RopeTokensConfig,
    TokenShaperConfig,
)

TOKENIZERS = [FourierTokensConfig, LearnedTokensConfig, RopeTokensConfig, CategoricalTokensConfig]
SIZES = [
    (FourierTokensConfig, ("attr_embed_dim",)),
    (LearnedTokensConfig, ("attr_embed_dim", "position_dim")),
    (RopeTokensConfig, ("attr_embed_dim",)),
    (CategoricalTokensConfig, ("attr_embed_dim", "value_embed_dim", "num_freqs")),
]


def test_frequencies_may_be_none_and_not_fewer():
    with pytest.raises(ValueError, match="'num_freqs' must be >= 0: -1"):
        FourierTokensConfig(num_freqs=-1)


class TestConfigs:
    """Oracle: values worked out by hand."""

    def test_importing_them_leaves_torch_alone(self):
        code = "import sys, glulam_tokens.configs as c; c.FourierTokensConfig(); print('torch' in sys.modules)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.split() == ["False"]

    def test_keys_of_shapers(self):
        assert TokenShaperConfig().in_keys == ["env_obs"]
        assert TokenShaperConfig(mask_key="real").out_keys == ["tokens", "real"]
        assert BoxShaperConfig().out_keys == ["box"]
        assert BoxShaperConfig(globals_key="globals").out_keys == ["box", "globals"]

    @pytest.mark.parametrize("config", TOKENIZERS)
    def test_keys_of_tokenisers(self, config):
        assert config().in_keys == ["tokens"]
        assert config(out_key="x").out_keys == ["x"]

    @pytest.mark.parametrize(
        ("config", "feature_dim"),
        [
            (FourierTokensConfig(attr_embed_dim=10, num_freqs=4), 27),
            (FourierTokensConfig(attr_embed_dim=8, num_freqs=8), 41),
            (FourierTokensConfig(attr_embed_dim=8, num_freqs=0), 9),
            (FourierTokensConfig(), 37),
            (LearnedTokensConfig(), 37),
            (LearnedTokensConfig(attr_embed_dim=1, position_dim=2), 4),
            (RopeTokensConfig(), 13),
            (RopeTokensConfig(attr_embed_dim=32), 33),
            (CategoricalTokensConfig(attr_embed_dim=10, value_embed_dim=3, num_freqs=4), 29),
        ],
    )
    def test_feature_dim(self, config, feature_dim):
        assert config.feature_dim == feature_dim

    @pytest.mark.parametrize(("config", "field"), [(config, field) for config, fields in SIZES for field in fields])
    def test_sizes_are_positive(self, config, field):
        with pytest.raises(ValueError, match=f"'{field}' must be > 0"):
            config(**{field: 0})

    @pytest.mark.parametrize("config", TOKENIZERS)
    def test_a_negative_scale_is_refused(self, config):
        with pytest.raises(ValueError, match="'embedding_std' must be >= 0"):
            config(embedding_std=-1.0)

    def test_a_negative_scale_of_positions_is_refused(self):
        with pytest.raises(ValueError, match="'position_std' must be >= 0"):
            LearnedTokensConfig(position_std=-1.0)

    @pytest.mark.parametrize(("width", "next_one"), [(10, 12), (1, 4), (15, 16)])
    def test_rope_turns_numbers_in_fours(self, width, next_one):
        message = (
            f"^attr_embed_dim is {width}; half of it is turned by the row and half by the column, in pairs: "
            f"take a multiple of 4, such as {next_one}$"
        )
        with pytest.raises(ValueError, match=message):
            RopeTokensConfig(attr_embed_dim=width)

    def test_the_base_of_rope_is_at_least_1(self):
        with pytest.raises(ValueError, match="'base' must be >= 1"):
            RopeTokensConfig(base=0.5)
