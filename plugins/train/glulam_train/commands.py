"""`glulam train`, `eval` and `bench`; torch is imported once a command runs, not for its help."""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from glulam import GlulamError
from glulam_train.files import replace_text
from glulam_train.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glulam_train.ranks import Ranks

__all__ = ["bench", "evaluate", "train"]


@click.command()
@click.argument("policy", required=False)
@click.option("--env", help="Environment, such as mettagrid:forage.")
@click.option("--steps", type=int, help="Agent-steps to train for.")
@click.option("--seed", type=int, help="Seed of weights, actions and episodes.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the run; made if need be.")
@click.option("--resume", type=click.Path(path_type=Path), help="Folder of a run to go on with, however it ended.")
@click.option("--config", type=click.Path(path_type=Path), help="Settings file, such as an earlier run's.")
@click.option("--set", "assignments", metavar="KEY=VALUE", multiple=True, help="Change one setting; repeatable.")
@click.option("--overwrite", is_flag=True, help="Replace the files of an earlier run in the folder.")
@click.option("--allow-version-drift", is_flag=True, help="Go on from files that other versions of plug-ins wrote.")
def train(  # noqa: PLR0913, PLR0917 - one argument an option
    policy: str | None,
    env: str | None,
    steps: int | None,
    seed: int | None,
    out: Path | None,
    resume: Path | None,
    config: Path | None,
    assignments: tuple[str, ...],
    *,
    overwrite: bool,
    allow_version_drift: bool,
) -> None:
    """Train POLICY (a name or a YAML file) in an environment.

    The folder gets settings.yaml, checkpoint.safetensors, metrics.jsonl, curve.png, scalars for TensorBoard and points
    to resume from. What stands on the command line goes before --set, --set before --config. With --resume all is as
    it was; --steps alone may be given, to train for longer. Processes that torchrun starts train together.
    """
    if (out is None) == (resume is None):
        msg = "write --out FOLDER for a new run, or --resume FOLDER to go on with one"
        raise click.UsageError(msg)
    if out is None and any(x is not None for x in (policy, env, seed, config)) | bool(assignments) | overwrite:
        msg = "--resume goes on with the settings of that run; only --steps may be given beside it"
        raise click.UsageError(msg)
    settings = (
        None if out is None else read_settings(config, assignments, policy=policy, env=env, steps=steps, seed=seed)
    )
    from glulam_train.ranks import Ranks
    from glulam_train.run import Run

    ranks = Ranks.from_environment()
    with _named(ranks):
        if resume is not None:
            run = Run.resume(resume, steps=steps, allow_version_drift=allow_version_drift, ranks=ranks)
        elif settings is not None and out is not None:
            run = Run.begin(settings, out, overwrite=overwrite, allow_version_drift=allow_version_drift, ranks=ranks)
        try:
            _tell(run.describe(), ranks)
            run.train()
        finally:
            run.close()
    ranks.close()
    end = f"stopped early ({run.stopped})" if run.stopped else "done"
    _tell(f"{end}: {run.trainer.agent_steps:,} agent-steps, {_return_of(run.last)}", ranks)
    if ranks.is_first:
        click.echo(f"checkpoint  {run.folder.checkpoint}\ncurve       {run.folder.curve}")


@contextmanager
def _named(ranks: Ranks) -> Iterator[None]:
    """Say of an error in which rank it was, where there are several."""
    from glulam_train.ranks import RankError

    try:
        yield
    except GlulamError as error:
        if ranks.size == 1 or isinstance(error, RankError):
            raise
        msg = f"rank {ranks.rank}: {error}"
        raise RankError(msg) from error


def _tell(text: str, ranks: Ranks) -> None:
    if ranks.is_first:
        click.echo(text, err=True)


def _seeds(_: click.Context, __: click.Parameter, text: str | None) -> tuple[int, ...]:
    """Return the seeds that `5` or `0,3,7` means."""
    if text is None:
        return ()
    try:
        numbers = [int(part) for part in text.removesuffix(",").split(",")]
    except ValueError:
        numbers = []
    found = tuple(range(numbers[0])) if len(numbers) == 1 and "," not in text else tuple(numbers)
    if not found or min(found) < 0 or len(set(found)) < len(found):
        msg = f"{text!r}: write a number of seeds such as 5, or a list such as 0,3,7 of seeds of at least 0, each once"
        raise click.BadParameter(msg)
    return found


@click.command(name="eval")
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option("--env", required=True, help="Environment, such as mettagrid:forage.")
@click.option("--episodes", type=int, default=200, show_default=True, help="Agent-episodes to play with each seed.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of episodes, never a training's.")
@click.option("--seeds", callback=_seeds, help="Several seeds: 5 means 0 to 4, 0,3,7 those.")
@click.option("--greedy/--sampled", default=False, help="Take the likeliest action, or draw one, as in training.")
@click.option("--format", "style", type=click.Choice(["text", "json"]), default="text", help="For people or programs.")
@click.option("--json", "file", type=click.Path(path_type=Path), help="Write the whole report there, every return too.")
def evaluate(  # noqa: PLR0913, PLR0917 - one argument an option
    checkpoint: Path,
    env: str,
    episodes: int,
    seed: int,
    seeds: tuple[int, ...],
    style: str,
    file: Path | None,
    *,
    greedy: bool,
) -> None:
    """Play episodes with the policy of CHECKPOINT and print its return, one agent's over one episode."""
    if seeds and click.get_current_context().get_parameter_source("seed") is not ParameterSource.DEFAULT:
        msg = "write --seed or --seeds, not both"
        raise click.UsageError(msg)
    from rich.console import Console
    from rich.progress import Progress

    from glulam_train.evaluation_report import evaluate_checkpoint, summary

    seeds, console = seeds or (seed,), Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("episodes", total=max(1, episodes) * len(seeds))
        report = evaluate_checkpoint(
            checkpoint, env, episodes, seeds, greedy=greedy, watch=lambda count: progress.advance(task, count)
        )
    click.echo(json.dumps(summary(report)) if style == "json" else _text(report))
    if file is not None:
        _write(file, report)


def _write(file: Path, report: dict[str, Any]) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_text(file, json.dumps(report, indent=1) + "\n")
    except OSError as error:
        msg = f"cannot write {file}: {error.strerror}"
        raise GlulamError(msg) from error


@click.command()
@click.argument("policy", required=False)
@click.option("--env", help="Environment, such as mettagrid:forage.")
@click.option("--updates", type=int, default=5, show_default=True, help="Updates to take the time of.")
@click.option("--config", type=click.Path(path_type=Path), help="Settings file, such as a run's.")
@click.option("--set", "assignments", metavar="KEY=VALUE", multiple=True, help="Change one setting; repeatable.")
@click.option("--profile", type=click.Path(path_type=Path), help="Write a trace of one more update, trace.json.gz say.")
@click.option("--format", "style", type=click.Choice(["text", "json"]), default="text", help="For people or programs.")
def bench(  # noqa: PLR0913, PLR0917 - one argument an option
    policy: str | None,
    env: str | None,
    updates: int,
    config: Path | None,
    assignments: tuple[str, ...],
    profile: Path | None,
    style: str,
) -> None:
    """Take the time of a few updates of training POLICY, and tell where it goes; nothing is kept.

    With --format json the report is one line, for a log.
    """
    settings = read_settings(config, assignments, policy=policy, env=env)
    from glulam_train import bench as benchmark

    report = benchmark.bench(settings, updates, profile)
    click.echo(json.dumps(report) if style == "json" else "\n".join(_bench_lines(report, benchmark.PARTS)))


def _bench_lines(report: dict[str, Any], parts: dict[str, str]) -> list[str]:
    spent = report["seconds_per_update"]
    total = sum(spent.values())
    sizes = [
        f"{report['parameters']:,} parameters",
        f"{report['agents']} agents",
        f"{report['agent_steps_per_update']:,} agent-steps an update",
        f"{report['device']}, threads {report['threads']}",
    ]
    where = (("in all", "steps"), ("in rollout", "rollout_steps"), ("in training", "training_steps"))
    speeds = [f"{report[f'{name}_per_second']:,.0f} {told}" for told, name in where]
    lines = [
        f"{report['policy']} in {report['environment']}: {', '.join(sizes)}",
        f"agent-steps/s: {', '.join(speeds)}",
        "",
    ]
    lines += [
        f"  {name:<12} {1e3 * spent[name]:>9,.1f} ms {spent[name] / total:>5.0%}  {told}"
        for name, told in parts.items()
    ]
    if worked := report["seconds_in_workers"]:
        told = ", ".join(f"{1e3 * seconds:,.1f}" for seconds in worked)
        lines.append(f"meanwhile in steps of the environment: {told} ms, a figure for each worker")
    norms = report["gradient_norms"]
    width = max(map(len, norms))
    return [*lines, "", "norm of the last gradient", *(f"  {name:<{width}} {norm:.3g}" for name, norm in norms.items())]


def _text(report: dict[str, Any]) -> str:
    seeds = report["seeds"]
    if len(seeds) == 1:
        spread = report["return_ci95"]
        margin, named = "" if spread is None else f" ± {spread:.3f}", f"seed {seeds[0]['seed']}"
    else:
        margin = "" if report["return_interval95"] is None else " [{:.3f}, {:.3f}]".format(*report["return_interval95"])
        named = f"seeds {', '.join(str(one['seed']) for one in seeds)}"
    lines = [f"  seed {one['seed']:<5} return {one['return_mean']:.3f}" for one in seeds if len(seeds) > 1]
    played = f"{report['episodes']} episodes of {report['length_mean']:.1f} steps in {report['environment']}, {named}"
    return "\n".join([*lines, f"return {report['return_mean']:.3f}{margin} over {played}"])


def _return_of(row: dict[str, Any] | None) -> str:
    found = row["return_mean"] if row else None
    return "no episode ended" if found is None else f"return of recent episodes {found:.2f}"
