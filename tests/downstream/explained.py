"""What our laws find in other people's modules, and why it is so: no alarm of `wrapped` is without a reason here."""

from glulam.testing import Exemption

__all__ = ["EXPLAINED", "KNOWN_BUGS"]


def _of(layers, law, reason, witness):
    return [Exemption(layer=layer, law=law, reason=reason, witness=witness) for layer in layers]


BATCH = "it normalises over the batch"
NO_ROWS = "it cannot split an empty batch: a -1 in a reshape has no one size then"
NOT_PICKLED = "torch pickles no module with parametrisations, only its state"

TORCH = [
    *_of(["batch_norm"], "row_alone", BATCH, "torch.nn.BatchNorm1d"),
    *_of(["batch_norm"], "batch_of_none_and_one", "in training it refuses one row", "torch.nn.functional.batch_norm"),
    *_of(["dropout"], "random_streams_untouched", "in training it drops at random", "torch.nn.Dropout"),
    *_of(
        ["torch_self_attention", "torch_guarded_self_attention", "transformer_encoder", "transformer_decoder"],
        "batch_of_none_and_one",
        NO_ROWS,
        "torch.nn.functional.multi_head_attention_forward",
    ),
    *_of(
        ["instance_norm"],
        "batch_of_none_and_one",
        "with weights it reads the first of no rows",
        "torch.nn.InstanceNorm2d",
    ),
    *_of(
        ["lazy_linear"],
        "random_streams_untouched",
        "its weights are drawn in the first call",
        "torch.nn.modules.lazy",
    ),
    *_of(
        ["lazy_linear"],
        "meta_device",
        "on meta the weights that the first call makes keep their size of 0",
        "torch.nn.modules.lazy",
    ),
    *[
        exemption
        for law in ("deterministic_under_seed", "state_round_trip", "copies_and_processes", "independent_instances")
        for exemption in _of(
            ["spectral_norm"],
            law,
            "each call in training goes on estimating the singular value, in a buffer",
            "torch.nn.utils.parametrizations.spectral_norm",
        )
    ],
    *_of(["weight_norm"], "copies_and_processes", NOT_PICKLED, "torch.nn.utils.parametrize"),
    *_of(["weight_norm", "spectral_norm"], "works_in_a_new_process", NOT_PICKLED, "torch.nn.utils.parametrize"),
]

TORCHRL = [
    *_of(["torchrl_batch_renorm"], "row_alone", BATCH, "torchrl.modules.BatchRenorm1d"),
    *_of(
        ["torchrl_batch_renorm"],
        "batch_of_none_and_one",
        "one row has no variance, of which it warns",
        "torchrl.modules.BatchRenorm1d",
    ),
    *_of(
        ["torchrl_lstm", "torchrl_lstm_not_zeroed", "torchrl_gru"],
        "batch_of_none_and_one",
        "it reshapes the TensorDict to -1 rows, which an empty one refuses",
        "torchrl.modules.LSTMModule.forward",
    ),
    *_of(
        ["torchrl_lstm_not_zeroed"],
        "time_folding",
        "in recurrent mode it starts from the stored state at a reset, too; who stores it has to zero it",
        "torchrl.modules.LSTMModule.forward, the comment on recurrent_mode",
    ),
    *_of(
        ["torchrl_masked_categorical"],
        "masks_are_respected",
        "a mask that allows nothing leaves no probabilities, and sampling raises",
        "torchrl.modules.MaskedCategorical",
    ),
    *_of(
        ["torchrl_multi_agent_mlp"],
        "meta_device",
        "its weights stand in a TensorDict too, which a GPU fills in place, while torch replaces them on meta",
        "torch._has_compatible_shallow_copy_type",
    ),
    *_of(
        ["torchrl_noisy_linear"],
        "gradient_to_every_parameter",
        "its noise, and with it the weights of the noise, is off unless TorchRL's exploration type is RANDOM",
        "torchrl.modules.NoisyLinear, use_exploration_type",
    ),
    *_of(
        ["torchrl_gru"],
        "meta_device",
        "it asks whether any row is reset: a number, and on a GPU a wait for it",
        "torchrl.modules.GRUModule.forward",
    ),
    *_of(
        ["torchrl_tanh_normal"],
        "meta_device",
        "it asks whether its bounds are other than -1 and 1: on a GPU a wait for them",
        "torchrl.modules.TanhNormal.__init__",
    ),
    *_of(["torchrl_tanh_normal"], "batch_of_none_and_one", NO_ROWS, "torch.distributions.utils"),
]

MASKED_STACKS = ["x_encoder", "x_modern_encoder", "x_decoder", "x_continuous_wrapper"]

PYPI = [
    *_of(["timm_conv_norm_act"], "row_alone", BATCH, "timm.layers.ConvNormAct"),
    *_of(["timm_drop_path"], "random_streams_untouched", "in training it drops at random", "timm.layers.DropPath"),
    *_of(["timm_eca"], "batch_of_none_and_one", NO_ROWS, "timm.layers.EcaModule.forward"),
    *_of(MASKED_STACKS, "batch_of_none_and_one", "einx.where finds no size for an empty batch", "einx.where"),
    *_of(
        MASKED_STACKS,
        "other_dtypes",
        "the zero by which it masks is float32, and einx.where gives float32 for bfloat16",
        "x_transformers.AttentionLayers.forward",
    ),
    *_of(
        ["x_modern_encoder"],
        "meta_device",
        "it turns autocast off by the name of the device, and torch knows no autocast of meta",
        "x_transformers.x_transformers.RotaryEmbedding.forward",
    ),
]

EXPLAINED = {"wrapped-torch": TORCH + TORCHRL, "wrapped-pypi": PYPI}

# Old releases in which a law finds what their maintainers have mended since: by release, layers and law.
KNOWN_BUGS = {"0.12.0": (("torchrl_lstm", "torchrl_gru"), "time_folding")}
