"""`glulam inspect`: what a checkpoint holds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from glulam.cli._output import format_option

if TYPE_CHECKING:
    from glulam.checkpoint import Checkpoint

__all__ = ["inspect"]


@click.command()
@click.argument("file", type=click.Path())
@format_option
def inspect(file: str, form: str) -> None:
    """Print what the checkpoint FILE holds: policy, environment, parameters, versions."""
    from glulam.checkpoint import read_checkpoint

    checkpoint = read_checkpoint(file)
    if form == "json":
        click.echo(json.dumps(checkpoint.header | {"tensors": _shapes(checkpoint)}, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    header, env = checkpoint.header, checkpoint.env
    console = Console(highlight=False, markup=False, emoji=False)  # names are shown as they are
    total = sum(tensor.numel() for tensor in checkpoint.tensors.values())
    console.print(f"policy       {header['policy']['name']} ({total:,} values, {header['dtype']})")
    console.print(
        f"environment  {env.name}: {env.num_features} features, {env.num_tags} tags, {env.num_actions} actions"
    )
    for name, version in header["lock"]["distributions"].items():
        console.print(f"saved with   {name} {version}")
    console.print(f"sha256       {header['sha256']}")
    table = Table("tensor", "shape", "dtype", box=None, pad_edge=False)
    for name, shape in _shapes(checkpoint).items():
        table.add_row(name, str(shape["shape"]), shape["dtype"])
    console.print(table)


def _shapes(checkpoint: Checkpoint) -> dict[str, dict[str, Any]]:
    return {
        name: {"shape": list(tensor.shape), "dtype": str(tensor.dtype).removeprefix("torch.")}
        for name, tensor in checkpoint.tensors.items()
    }
