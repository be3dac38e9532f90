"""`glulam report`; what it needs is imported once it runs, not for its help."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["report"]


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("-o", "out", type=click.Path(path_type=Path), help="The file; report.html in FOLDER if left out.")
@click.option("--episodes", type=click.IntRange(min=0), default=0, help="Play this many now, and show films of them.")
def report(folder: Path, out: Path | None, episodes: int) -> None:
    """Write what the training run (or the sweep) in FOLDER was and became as one HTML file.

    It holds curves, settings, versions, the policy, evaluations that were kept as FOLDER/eval*.json, films in
    FOLDER/episodes, and how the run ended. Nothing else in FOLDER is changed.
    """
    from glulam_train.report.folder import read_run
    from glulam_train.report.render import render, write
    from glulam_train.report.run_page import run_page
    from glulam_train.report.sweep_page import RESULTS, read_sweep_results, sweep_page

    path = folder / "report.html" if out is None else out
    if (folder / RESULTS).is_file():
        if episodes:
            msg = "--episodes is for the folder of a run; that of a sweep holds several: name one, VARIANT/seed_N"
            raise click.UsageError(msg)
        text = render("sweep.html", sweep_page(folder, read_sweep_results(folder)))
    else:
        text = render("run.html", run_page(read_run(folder), episodes))
    write(text, path)
    click.echo(f"report  {path}")
