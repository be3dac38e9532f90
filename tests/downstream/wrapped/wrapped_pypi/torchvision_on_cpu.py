"""vit-pytorch and timm import torchvision, whose wheel for GPUs cannot load its operators beside torch's CPU build.

They are named here without being there, so that the import goes on: none of our layers calls one.
"""

import torch
from torch.library import Library

_BOXES = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_named = []


def _name_operators():
    if torch.version.cuda is None and not _named:
        _named.append(Library("torchvision", "DEF"))
        for name in ("nms", "qnms"):
            _named[0].define(name + _BOXES)


def vit_pytorch():
    """Return the package."""
    _name_operators()
    import vit_pytorch

    return vit_pytorch


def timm_layers():
    """Return the module."""
    _name_operators()
    from timm import layers

    return layers


def timm_block():
    """Return the class."""
    _name_operators()
    from timm.models.vision_transformer import Block

    return Block
