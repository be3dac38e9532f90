"""Tensors and plain values in one safetensors file: checksummed, written whole or not at all, and no pickle."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glulam._errors import GlulamError
from glulam.files import replacing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

__all__ = ["read_tensors", "write_tensors"]

HEADER = "glulam"
FORMAT = 1


def write_tensors(path: str | Path, header: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """Write a file; an older one of that name is replaced once the new one is complete.

    Args:
        path: the file, `.safetensors` by custom.
        header: plain JSON values.
        tensors: by name, of any shape (`[]` too), dtype and device.

    Raises:
        GlulamError: if the file cannot be written.
    """
    from safetensors.torch import save as serialize

    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    complete = {**header, "format": FORMAT}
    complete["sha256"] = _digest(complete, plain)
    blob = serialize(plain, metadata={HEADER: json.dumps(complete, sort_keys=True)})
    path = Path(path)
    try:
        with replacing(path) as part:
            part.write_bytes(blob)
    except OSError as error:
        msg = f"cannot write {path}: {error.strerror}"
        raise GlulamError(msg) from error


def read_tensors(path: str | Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return header and tensors (`[...]`, as they were written, on the CPU) of a file, its checksum verified.

    Raises:
        GlulamError: if the file is missing, cut, altered, or none that `write_tensors` wrote.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if not path.is_file():
        msg = f"there is no checkpoint {path}"
        raise GlulamError(msg)
    try:
        with safe_open(str(path), framework="pt") as file:
            text = (file.metadata() or {}).get(HEADER)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dict
    except (SafetensorError, OSError, ValueError) as error:
        msg = f"{path} is cut off or no checkpoint: {error}"
        raise GlulamError(msg) from error
    try:
        header = dict(json.loads(text or ""))
    except (json.JSONDecodeError, TypeError, ValueError) as error:
        msg = f"{path} is no glulam checkpoint: its header holds no {HEADER!r} entry"
        raise GlulamError(msg) from error
    if header.get("format") != FORMAT:
        msg = f"{path} has checkpoint format {header.get('format')}; this glulam reads format {FORMAT}"
        raise GlulamError(msg)
    if header.get("sha256") != _digest({key: value for key, value in header.items() if key != "sha256"}, tensors):
        msg = f"{path} was altered since it was saved: its checksum does not match"
        raise GlulamError(msg)
    return header, tensors


def _digest(header: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of header and sorted tensors; safetensors itself loads a flipped bit without a word."""
    import torch

    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
