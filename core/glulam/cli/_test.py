"""`glulam test`: the contract suite on a distribution's layers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from glulam._errors import GlulamError
from glulam.cli._output import format_option, quietly

if TYPE_CHECKING:
    from glulam.testing._examine import Verdict

__all__ = ["test"]


@click.command()
@click.argument("distribution")
@click.option("--quick", "level", flag_value="quick", default="quick", help="A few cases a law; leaves out slow laws.")
@click.option("--full", "level", flag_value="full", help="Many cases a law, and slow laws too.")
@click.option("--layer", "layers", multiple=True, help="Look into this layer alone; repeatable.")
@click.option("--law", "laws", multiple=True, help="Look into this law alone; repeatable.")
@click.option("--seed", type=int, help="Seed of what is drawn; the same each time if left out.")
@format_option
def test(  # noqa: PLR0913, PLR0917 - one argument an option
    distribution: str, level: str, layers: tuple[str, ...], laws: tuple[str, ...], seed: int | None, form: str
) -> None:
    """Look into what every layer must keep, for the layers of DISTRIBUTION.

    Exits with 1 if a law is broken. `glulam.testing.contract_tests` does the same as a test module of one line.
    """
    try:
        from glulam.testing import examine_distribution
        from glulam.testing._examine import Verdict as _  # noqa: F401 - it needs hypothesis
        from glulam.testing._report import to_dict
    except ModuleNotFoundError as error:
        msg = f"the contract suite needs {error.name}: pip install 'glulam[testing]'"
        raise GlulamError(msg) from error

    found: list[Verdict] = []
    chosen = {"layers": layers or None, "laws": laws or None, "level": level, "seed": seed}
    with quietly():
        for verdict in examine_distribution(distribution, **chosen):  # type: ignore[arg-type]
            if form == "text":
                _progress(verdict, found)
            found.append(verdict)
    report = to_dict(found, level=level, seed=seed)
    if form == "json":
        click.echo(json.dumps(report, indent=2))
    else:
        _print(found)
    if not report["ok"]:
        raise SystemExit(1)


def _progress(verdict: Verdict, before: list[Verdict]) -> None:
    """Show on stderr where it is."""
    if not before or before[-1].layer != verdict.layer:
        click.echo(f"{verdict.layer} ", nl=False, err=True)
    click.echo({"kept": ".", "broken": "F", "exempt": "x"}.get(verdict.outcome, "-"), nl=False, err=True)


def _print(found: list[Verdict]) -> None:
    from glulam.testing._laws import LAWS
    from glulam.testing._report import summary

    click.echo(err=True)
    for layer in dict.fromkeys(verdict.layer for verdict in found):
        mine = [verdict for verdict in found if verdict.layer == layer]
        click.echo(f"{layer}: {summary(mine)} in {sum(verdict.seconds for verdict in mine):.1f} s")
        for reason in dict.fromkeys(verdict.told for verdict in mine if verdict.outcome == "not applicable"):
            laws = [verdict.law for verdict in mine if verdict.told == reason]
            click.echo(f"  not applicable, {reason}: {', '.join(laws)}")
        for verdict in mine:
            if verdict.outcome == "broken":
                click.echo(f"\n  {verdict.law}: {LAWS[verdict.law].says}\n    {verdict.told}")
                if verdict.reproduction:
                    click.echo("\n" + "\n".join(f"    {line}" for line in verdict.reproduction.splitlines()) + "\n")
