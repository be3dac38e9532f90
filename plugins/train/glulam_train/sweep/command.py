"""`glulam sweep`; torch is imported by the runs, each a process of its own."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from glulam_train.sweep.sweep_file import read_sweep

if TYPE_CHECKING:
    from glulam_train.sweep.budget import Budget
    from glulam_train.sweep.plan import Cell, Plan
    from glulam_train.sweep.results import Results

__all__ = ["sweep"]


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder of the sweep; made if need be.")
@click.option("--jobs", type=click.IntRange(min=1), help="Runs at a time; one a core if left out.")
@click.option(
    "--only", metavar="VARIANT", multiple=True, help="Run this variant, and those it comes after; repeatable."
)
@click.option("--dry-run", is_flag=True, help="State what it would cost, by a short trial, and stop.")
@click.option("--format", "style", type=click.Choice(["text", "json"]), default="text", help="For people or programs.")
def sweep(file: Path, out: Path, jobs: int | None, only: tuple[str, ...], style: str, *, dry_run: bool) -> None:  # noqa: PLR0913 - one argument an option
    """Train the variants that FILE names, with several seeds each, and compare them.

    The folder gets a run's folder for each, VARIANT/seed_N, and results.json and curves.png over all. The same command
    again goes on where it stopped, and trains what the file names by then.
    """
    from glulam_train.sweep.disk import check_unchanged, is_finished
    from glulam_train.sweep.plan import make_plan

    described = read_sweep(file)
    chosen = {variant.name for variant in described.with_those_before(only)} if only else None
    plan = make_plan(described, out.absolute())
    check_unchanged(plan)
    cells = [cell for cell in plan.cells if (chosen is None or cell.variant in chosen) and not is_finished(cell)]
    if dry_run:
        _dry_run(plan, cells, jobs, style)
        return
    sys.exit(_run(plan, cells, jobs, style))


def _dry_run(plan: Plan, cells: list[Cell], jobs: int | None, style: str) -> None:
    from glulam_train.sweep.budget import measure

    budget = measure(plan, cells, _jobs(jobs, cells))
    click.echo(json.dumps(budget.to_json(), indent=2) if style == "json" else "\n".join(budget.lines()))


def _run(plan: Plan, cells: list[Cell], jobs: int | None, style: str) -> int:
    """Run what is left, write the results, print the summary, and return the exit code."""
    from glulam_train.sweep.budget import measure
    from glulam_train.sweep.disk import held
    from glulam_train.sweep.display import summary_table
    from glulam_train.sweep.results import Results

    with held(plan.folder):
        results = Results(plan)
        notes: list[str] = []
        if cells:
            budget = measure(plan, cells, _jobs(jobs, cells))
            click.echo("\n".join(budget.lines()), err=True)
            notes = _train(plan, budget, results)
        summary = results.write()
    paths = {"results": str(plan.folder / "results.json"), "curves": str(plan.folder / "curves.png")}
    if style == "json":
        click.echo(json.dumps(paths | {"variants": summary}, indent=2))
    else:
        summary_table(summary)
        click.echo(f"results  {paths['results']}\ncurves   {paths['curves']}")
    for note in notes:
        click.echo(f"\n{note}", err=True)
    return 1 if notes else 0


def _train(plan: Plan, budget: Budget, results: Results) -> list[str]:
    """Run what the budget names; return what is to be said of what was not finished."""
    from glulam_train.sweep.disk import write_inputs
    from glulam_train.sweep.display import Display
    from glulam_train.sweep.pool import Pool

    write_inputs(plan, budget.cells)
    with Display(budget, results.write) as display:
        pool = Pool(budget.jobs, plan.sweep.path.parent.absolute(), display)
        states = pool.run(budget.cells)
    notes = [*display.failures(), *pool.problems]
    left = sum(states.get(cell.key) != "finished" for cell in budget.cells)
    if left:
        reason = f"stopped by {pool.stopped}: " if pool.stopped else ""
        again = f"glulam sweep {plan.sweep.path} --out {plan.folder}"
        notes.append(f"{reason}{left} of {len(budget.cells)} runs are not finished; to go on with them: {again}")
    return notes


def _jobs(asked: int | None, cells: list[Cell]) -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(asked or cores, len(cells)))
