"""Environments by URI: `mettagrid:forage`, or the path of a YAML spec where no environment is installed."""

from __future__ import annotations

import contextlib
import inspect
import sys
from typing import TYPE_CHECKING, Any, Literal, overload

from glulam._errors import GlulamError
from glulam._guard import PLUGIN_ERRORS, told
from glulam.catalog import PluginError, Registry
from glulam.environment import EnvSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from glulam.protocol import Environment, RenderableEnvironment

__all__ = ["check_copies", "environment_spec", "make_environment"]


def environment_spec(uri: object, *, registry: Registry | None = None) -> EnvSpec:
    """Return the spec of an environment.

    Args:
        uri: `FAMILY:TASK`, the path of a YAML spec, or an environment object, which the plugins are shown in turn
            (hook `glulam_environment_spec`).
        registry: what is installed; read afresh when None.

    Raises:
        GlulamError: if there is no such environment, saying how to get it, or if no plugin knows the object.
    """
    if not isinstance(uri, str):
        return _adapted(uri, registry or Registry.installed())
    if uri.endswith((".yaml", ".yml")):
        return EnvSpec.from_yaml(uri)
    family, task = _family(uri, registry)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            spec = family.spec(task)
    except GlulamError:
        raise
    except PLUGIN_ERRORS as error:
        name = uri.partition(":")[0]
        found = f"environment {name!r}: its spec({task!r}) raised {told(error)}"
        raise PluginError("GL203", found, "name another task, or tell its authors") from error  # noqa: EM101
    if not isinstance(spec, EnvSpec):
        msg = f"environment {uri!r} gave {type(spec).__name__} for its spec, no EnvSpec; tell its authors"
        raise GlulamError(msg)
    return spec


@overload
def make_environment(
    uri: str,
    *,
    num_envs: int,
    seed: int,
    first: int = 0,
    render: Literal[False] = False,
    registry: Registry | None = None,
) -> Environment: ...
@overload
def make_environment(
    uri: str, *, num_envs: int, seed: int, first: int = 0, render: Literal[True], registry: Registry | None = None
) -> RenderableEnvironment: ...
def make_environment(  # noqa: PLR0913 - each an independent, named choice
    uri: str, *, num_envs: int, seed: int, first: int = 0, render: bool = False, registry: Registry | None = None
) -> Environment:
    """Return `num_envs` copies of an environment as one vectorised world.

    Args:
        uri: `FAMILY:TASK`.
        num_envs: copies; the world has `num_envs` x agents rows.
        seed: seeds every copy, each differently.
        first: the number of the first copy, for a part of a larger world: its copies are the copies `first`,
            `first + 1`, ... of any world with this seed. `env_id` counts from 0 all the same.
        render: whether it must be one that can be looked at, a `RenderableEnvironment`.
        registry: what is installed; read afresh when None.

    Raises:
        GlulamError: if there is no such environment, `num_envs`, `seed` or `first` is out of range, a part is asked of
            a family that makes whole worlds alone, or it cannot be looked at and must.
    """
    check_copies(uri, num_envs=num_envs, seed=seed, first=first)
    family, task = _family(uri, registry)
    part = {"first": first} if first else {}  # families need not know of parts
    if part and not _takes(family.make, "first"):
        msg = (
            f"environment {uri!r} can only be made whole: make() of its family takes no first=, the number of the "
            "first copy; tell its authors"
        )
        raise GlulamError(msg)
    wanted = {"render": True} if render and _takes(family.make, "render") else {}
    environment: Environment = family.make(task, num_envs=num_envs, seed=seed, **part, **wanted)
    if render and not callable(getattr(environment, "render", None)):
        environment.close()
        msg = f"environment {uri!r} cannot be looked at: its worlds have no render(); tell its authors, who find what "
        msg += "it must return in glulam.RenderableEnvironment"
        raise GlulamError(msg)
    return environment


def check_copies(name: str, *, num_envs: int, seed: int, first: int = 0) -> None:
    """Refuse copies that no environment can be made of; for those who adapt environments, too.

    Args:
        name: of the environment, for the message.
        num_envs: copies, at least 1.
        seed: not negative.
        first: the number of the first copy among those with this seed; not negative.

    Raises:
        GlulamError: if one of them is out of range.
    """
    if num_envs < 1:
        msg = f"{name}: num_envs is {num_envs}; it must be at least 1"
        raise GlulamError(msg)
    for what, given in (("seed", seed), ("first", first)):
        if given < 0:
            msg = f"{name}: {what} is {given}; it must not be negative"
            raise GlulamError(msg)


def _takes(function: Callable[..., Any], name: str) -> bool:
    """Whether a function takes an argument by this name."""
    parameters = inspect.signature(function).parameters
    return name in parameters or any(given.kind is given.VAR_KEYWORD for given in parameters.values())


def _adapted(environment: object, registry: Registry) -> EnvSpec:
    """Return what the first plugin that knows an environment object says of it."""
    from glulam.hooks import call_hooks

    broken: list[str] = []
    for answer in call_hooks(registry, "glulam_environment_spec", environment=environment):
        if isinstance(answer.value, EnvSpec):
            return answer.value
        if answer.error is not None:
            broken.append(answer.error.message)
        elif answer.value is not None:
            broken.append(f"{answer.entry.qualified} gave {type(answer.value).__name__}, no EnvSpec")
    kind = f"{type(environment).__module__}.{type(environment).__qualname__}"
    msg = "; ".join([f"no installed plugin knows an environment of type {kind}; give a URI or an EnvSpec", *broken])
    raise GlulamError(msg)


def _family(uri: str, registry: Registry | None) -> tuple[Any, str]:
    name, colon, task = uri.partition(":")
    if not colon or not task:
        msg = f"{uri!r} is no environment: write FAMILY:TASK, such as mettagrid:forage, or the path of a YAML spec"
        raise GlulamError(msg)
    return (registry or Registry.installed()).environments.find(name).load(), task
