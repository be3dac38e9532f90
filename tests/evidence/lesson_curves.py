"""What the curves of a sweep's runs say beyond its summary: steps to a return, and the return at a time."""

from statistics import mean

from glulam_train.sweep import statistics

__all__ = ["return_at", "runs_of", "steps_to", "told"]

WINDOW = 0.05  # of a training, over whose agent-steps returns are averaged, as `glulam sweep` does for a threshold


def runs_of(result, variant):
    """Return the finished runs of a variant."""
    return [run for run in result["runs"] if run["variant"] == variant and run["state"] == "finished"]


def return_at(run, steps):
    """Return the mean return of the window that ends at so many agent-steps; None where none was played in it."""
    window = WINDOW * run["agent_steps"]
    values = [value for at, value in _points(run) if steps - window < at <= steps]
    return mean(values) if values else None


def steps_to(run, level):
    """Return the agent-steps at which the mean return of a window reaches a level; None if none does."""
    window = WINDOW * run["agent_steps"]
    reached = (at for at, _ in _points(run) if at >= window and return_at(run, at) >= level)
    return next(reached, None)


def told(values):
    """Return the mean of seeds as text, with its 95 % bootstrap interval."""
    found = statistics.mean(values)
    return f"{found['value']:.2f} [{found['low']:.2f}, {found['high']:.2f}]"


def _points(run):
    curve = run["curve"]
    pairs = zip(curve["agent_steps"], curve["return_mean"], strict=True)
    return [(at, value) for at, value in pairs if value is not None]
