"""`glulam play`; torch is imported once it runs, not for its help."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from glulam import Policy
    from glulam_train.play.moments import Moment

__all__ = ["play"]


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option("--env", required=True, help="Environment, such as mettagrid:forage.")
@click.option("--episodes", type=click.IntRange(min=1), default=1, show_default=True, help="Episodes to play.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed, as of `glulam eval`.")
@click.option("--greedy/--sampled", default=False, help="Take the likeliest action, or draw one, as in training.")
@click.option("--fps", type=click.FloatRange(0.1, 100), default=10, show_default=True, help="Steps a second.")
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Write a .gif or .mp4 file instead of showing them.")
def play(  # noqa: PLR0913, PLR0917 - one argument an option
    checkpoint: Path, env: str, episodes: int, seed: int, fps: float, out: Path | None, *, greedy: bool
) -> None:
    """Play episodes with the policy of CHECKPOINT, on the terminal or into a file.

    Where the output is no terminal, each step is a line. Ctrl-C ends it.
    """
    if out is not None:
        from glulam_train.play.video import check_file

        check_file(out)
    import glulam

    policy = glulam.load(checkpoint, env)
    chosen = {"episodes": episodes, "seed": seed, "greedy": greedy}
    if out is None:
        _show(policy, env, fps, chosen)
    else:
        _record(policy, env, out, fps, chosen)


def _show(policy: Policy, env: str, fps: float, chosen: dict[str, Any]) -> None:
    from rich.console import Console

    from glulam_train.play.moments import playing
    from glulam_train.play.terminal import show

    returns: list[float] = []
    try:
        with playing(policy, env, as_text=True, **chosen) as moments:
            returns.extend(show(moments, Console(), fps))
    except KeyboardInterrupt:
        click.echo("stopped", err=True)
    if len(returns) > 1:
        click.echo(_summary(returns))


def _record(policy: Policy, env: str, out: Path, fps: float, chosen: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.progress import Progress, TextColumn, TimeElapsedColumn

    from glulam_train.play.recording import record

    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("")

        def tell(moment: Moment) -> None:
            where = f"episode {moment.episode} of {chosen['episodes']}  step {moment.step}"
            progress.update(task, description=where)

        try:
            returns = record(policy, env, out, fps=fps, watch=tell, **chosen)
        except KeyboardInterrupt:
            msg = f"stopped; {out} was not written"
            raise click.ClickException(msg) from None
    click.echo(_summary(returns), err=True)
    click.echo(out)


def _summary(returns: list[float]) -> str:
    mean = sum(returns) / len(returns)
    return f"return {mean:.3f} over {len(returns)} {'episode' if len(returns) == 1 else 'episodes'}"
