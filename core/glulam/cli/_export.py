"""`glulam export`: a trained policy in a form that others run; what forms there are is a matter of plug-ins."""

from __future__ import annotations

from pathlib import Path

import click

from glulam.catalog import Registry
from glulam.cli._output import quietly

__all__ = ["export"]


@click.command()
@click.argument("checkpoint", type=click.Path())
@click.option("--to", "form", required=True, help="The form: torch-export, onnx, mettagrid; `glulam list` has all.")
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="The file or folder to write.")
@click.option("--env", help="The environment that it is to act in; the one it was saved in unless given.")
@click.option("--greedy/--sampled", default=None, help="Take the likeliest action, or draw one; as the form does else.")
@click.option("--seed", type=click.IntRange(min=0), help="Seed of what is drawn; another one each time unless given.")
@click.option("--allow-version-drift", is_flag=True, help="Read a file that other versions of plug-ins wrote.")
def export(  # noqa: PLR0913 - one argument an option
    checkpoint: str,
    form: str,
    out: Path,
    env: str | None,
    seed: int | None,
    *,
    greedy: bool | None,
    allow_version_drift: bool,
) -> None:
    """Write the policy in CHECKPOINT in another form, check it against the policy, and print what was written."""
    import glulam

    with quietly():
        exporter = Registry.installed().exporters.find(form).load()
        policy = glulam.load(checkpoint, env, allow_version_drift=allow_version_drift)
        written = exporter(policy, out, greedy=greedy, seed=seed)
    for path in written:
        click.echo(path)
