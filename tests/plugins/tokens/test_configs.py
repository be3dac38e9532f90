"""The configs of the tokens plugin."""

from __future__ import annotations

import subprocess
import sys

import pytest

from glulam_tokens.configs import BoxShaperConfig, FourierTokensConfig, TokenShaperConfig


class TestConfigs:
    """Oracle: values worked out by hand."""

    def test_importing_them_leaves_torch_alone(self):
        code = "import sys, glulam_tokens.configs as c; c.FourierTokensConfig(); print('torch' in sys.modules)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.split() == ["False"]

    def test_keys(self):
        assert TokenShaperConfig().in_keys == ["env_obs"]
        assert TokenShaperConfig(mask_key="real").out_keys == ["tokens", "real"]
        assert BoxShaperConfig().out_keys == ["box"]
        assert FourierTokensConfig(out_key="x").out_keys == ["x"]

    @pytest.mark.parametrize(("width", "freqs", "feature_dim"), [(10, 4, 27), (8, 8, 41), (12, 6, 37)])
    def test_feature_dim(self, width, freqs, feature_dim):
        assert FourierTokensConfig(attr_embed_dim=width, num_freqs=freqs).feature_dim == feature_dim

    @pytest.mark.parametrize("field", ["attr_embed_dim", "num_freqs"])
    def test_sizes_are_positive(self, field):
        with pytest.raises(ValueError, match=f"'{field}' must be > 0"):
            FourierTokensConfig(**{field: 0})

    def test_a_negative_scale_is_refused(self):
        with pytest.raises(ValueError, match="'embedding_std' must be >= 0"):
            FourierTokensConfig(embedding_std=-1.0)
