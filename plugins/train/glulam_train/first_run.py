"""The first training: `fast` on `mettagrid:forage`, and how it compares with random play.

Run as `python -m glulam_train.first_run --out FOLDER`; `make run` does.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

import glulam
from glulam import GlulamError
from glulam_train.settings import read_settings

__all__ = ["main"]

POLICY, ENV = "fast", "mettagrid:forage"
STEPS = 600_000
RANDOM_RETURN, RANDOM_MARGIN = 0.85, 0.15
FACTOR = 4.0
EPISODES = 256
RANDOM_EPISODES = 1024  # at 256 one seed in ten misses the margin by chance; these cost 3 seconds
TEST_SEED = 1


@click.command()
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder of the run.")
@click.option("--steps", type=int, default=STEPS, show_default=True, help="Agent-steps to train for, at most.")
@click.option("--minutes", type=float, default=4.5, show_default=True, help="Minutes to train for, at most.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the training.")
@click.option("--episodes", type=int, default=EPISODES, show_default=True, help="Agent-episodes of each evaluation.")
@click.option("--config", type=click.Path(path_type=Path), help="Settings file.")
@click.option("--set", "assignments", metavar="KEY=VALUE", multiple=True, help="Change one setting; repeatable.")
def first_run(  # noqa: PLR0913, PLR0917 - one argument an option
    out: Path,
    steps: int,
    minutes: float,
    seed: int,
    episodes: int,
    config: Path | None,
    assignments: tuple[str, ...],
) -> None:
    """Train a first agent and compare it with random play and with what it was before."""
    if config is None:  # several threads wait for each other where anything else runs, and are little quicker alone
        assignments = ("threads=1", *assignments)
    settings = read_settings(config, assignments, policy=POLICY, env=ENV, steps=steps, seed=seed)
    from glulam_train.evaluation import evaluate_policy, random_return
    from glulam_train.run import Run

    run = Run(settings, out, overwrite=True)
    try:
        click.echo(run.describe(), err=True)
        baseline = random_return(ENV, max(episodes, RANDOM_EPISODES), TEST_SEED)
        _check_random(baseline)
        untrained = evaluate_policy(run.policy, ENV, episodes, TEST_SEED)
        run.train(seconds=60 * minutes)
    finally:
        run.close()
    policy = glulam.load(run.folder.checkpoint, ENV)  # what a user gets, not what is in memory
    trained = evaluate_policy(policy, ENV, episodes, TEST_SEED, checkpoint=run.folder.checkpoint)
    reports = {"random play": baseline, f"{POLICY}, untrained": untrained, f"{POLICY}, trained": trained}
    console = Console()
    console.print(_table(reports))
    seconds = run.last["seconds"] if run.last else 0.0
    console.print(f"trained for {run.trainer.agent_steps:,} agent-steps in {seconds / 60:.1f} minutes")
    click.echo(f"checkpoint      {run.folder.checkpoint}\nlearning curve  {run.folder.curve}")
    _check_trained(trained, baseline)


def _table(reports: dict[str, dict[str, Any]]) -> Table:
    table = Table("", title=f"{ENV}, episodes not seen in training", title_justify="left")
    for column in ("return", "95 %", "times random", "agent-episodes"):
        table.add_column(column, justify="right")
    base = reports["random play"]["return_mean"]
    for name, report in reports.items():
        mean, spread = report["return_mean"], report["return_ci95"]
        table.add_row(
            name,
            f"{mean:.2f}",
            "-" if spread is None else f"± {spread:.2f}",
            f"{mean / base:.1f}",
            f"{report['episodes']}",
        )
    return table


def _check_random(report: dict[str, Any]) -> None:
    if abs(report["return_mean"] - RANDOM_RETURN) > RANDOM_MARGIN:
        msg = (
            f"random play returns {report['return_mean']:.2f} in {ENV}, where {RANDOM_RETURN} ± "
            f"{RANDOM_MARGIN} is known: this is another task than the one that results are compared on"
        )
        raise GlulamError(msg)


def _check_trained(report: dict[str, Any], baseline: dict[str, Any]) -> None:
    wanted = FACTOR * baseline["return_mean"]
    if report["return_mean"] < wanted:
        msg = (
            f"the trained policy returns {report['return_mean']:.2f}, less than {FACTOR:g} x random "
            f"({wanted:.2f}): train longer with --steps and --minutes"
        )
        raise GlulamError(msg)


def main() -> None:
    """Run the command; what went wrong ends on standard error with exit code 1."""
    try:
        first_run(prog_name="python -m glulam_train.first_run")
    except GlulamError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
