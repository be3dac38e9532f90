"""A check-up of all that is installed: every plugin is imported in a process of its own, with a time limit."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import attrs

from glulam.catalog import Entry, PluginError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection

    from glulam._discovery import Distribution
    from glulam.catalog import Registry

__all__ = ["Finding", "claimed_twice", "examine"]

GRACE = 2.0  # seconds after the limit at which a process that took no notice of it is ended
STARTING = 30.0  # seconds that the process itself may take to start, which is no fault of the plugin


@attrs.frozen(kw_only=True)
class Finding:
    """What is known of one distribution; `status` is `ok`, `broken` or `blocked`.

    `seconds` is how long its imports took beyond glulam's own; `problems` holds one dict for each thing that does
    not load (`kind`, `name`, `code`, `message`, `remedy`).
    """

    distribution: Distribution
    status: str
    seconds: float | None = None
    problems: tuple[dict[str, str], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the finding as `glulam doctor --format json` prints it."""
        item = self.distribution
        told = {"name": item.name, "version": item.version, "location": item.location, "status": self.status}
        return told | {"seconds": self.seconds, "problems": list(self.problems), "shadowed": list(item.shadowed)}


def examine(registry: Registry, limit: float) -> Iterator[Finding]:
    """Yield a finding a distribution, by name, each as soon as it and those before it are known.

    Args:
        registry: what is installed.
        limit: seconds that the imports of one module may take.
    """
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
    if "forkserver" in methods:
        context.set_forkserver_preload(["glulam.doctor"])  # so that each starts in milliseconds, fresh of any plugin
    blocked = {item.name for item in registry.blocked}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        waiting = [
            pool.submit(_examine, context, item, limit)
            if item.name not in blocked
            else pool.submit(Finding, distribution=item, status="blocked")
            for item in sorted([*registry.distributions, *registry.blocked], key=lambda item: item.name)
        ]
        for found in waiting:
            yield found.result()


def claimed_twice(registry: Registry) -> Iterator[dict[str, Any]]:
    """Yield each name that several distributions claim: `kind`, `name`, `owners`; modules of hooks may share one."""
    for kind in ("layers", "policies", "environments", "losses", "commands", "exporters"):
        catalog = getattr(registry, kind)
        for name in sorted(catalog):
            owners = [entry.distribution for entry in catalog.claims(name)]
            if len(owners) > 1:
                yield {"kind": kind, "name": name, "owners": owners}


def _examine(context: Any, item: Distribution, limit: float) -> Finding:  # noqa: ANN401 - a multiprocessing context
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_probe, args=(item, limit, sender), daemon=True)
    process.start()
    sender.close()
    problem = None
    found: list[dict[str, str]] = []
    seconds: float | None = None
    try:
        patience = STARTING
        while True:
            if not receiver.poll(patience):
                problem = f"its import did not finish in {limit:g} s and had to be ended"
                break
            kind, value = receiver.recv()
            if kind == "done":
                seconds, found = value
                break
            patience = limit + GRACE
    except EOFError:
        process.join(GRACE)
        problem = f"importing it ended the process (exit code {process.exitcode})"
    process.kill()
    process.join()
    if problem is not None:
        remedy = f"mend or reinstall {item.name}"
        found = [{"kind": "", "name": item.name, "code": "GL203", "message": problem, "remedy": remedy}]
    return Finding(distribution=item, status="broken" if found else "ok", seconds=seconds, problems=tuple(found))


def _probe(item: Distribution, limit: float, sender: Connection) -> None:
    """Load all that a distribution offers and send what fails; runs in a process of its own."""
    os.environ["GLULAM_IMPORT_SECONDS"] = repr(limit)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)  # what plugins print is not our output
    os.dup2(null, 2)
    failed: dict[str, PluginError] = {}
    problems = []
    seconds = 0.0
    for point in item.entry_points:
        sender.send(("next", point.name))
        module = point.value.partition(":")[0]
        start = time.perf_counter()
        error = failed.get(module) or _load(Entry(point))
        seconds += time.perf_counter() - start
        if error is not None:
            if module not in sys.modules:
                failed[module] = error  # the other things in a module that does not import need no second try
            problems.append(
                {
                    "kind": point.group,
                    "name": point.name,
                    "code": error.code,
                    "message": error.message,
                    "remedy": error.remedy,
                }
            )
    sender.send(("done", (seconds, problems)))


def _load(entry: Entry) -> PluginError | None:
    from glulam.faults import PolicyError

    try:
        resource = entry.resource
        if resource is not None:
            from glulam.document import read_document

            read_document(resource)
        elif entry.point.group == "hooks":
            from glulam.hooks import check_hooks

            check_hooks(entry)
        else:
            entry.load()
    except PluginError as error:
        return error
    except PolicyError as error:
        fault = error.faults[0]
        return PluginError(fault.code, f"{entry.qualified}: {fault.message}", fault.remedy)
    return None
