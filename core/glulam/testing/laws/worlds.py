"""Laws of worlds: a layer that is initialised again is as new, weights kept, and names decide."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import attrs
import torch

from glulam._errors import GlulamError
from glulam.layouts import ActionSpec
from glulam.names import NameReport
from glulam.testing._laws import expect, law
from glulam.testing.laws._common import equal, random_layer, run

if TYPE_CHECKING:
    from hypothesis.strategies import DataObject

    from glulam.environment import EnvSpec
    from glulam.testing._case import Case

__all__: list[str] = []


def _fixed(case: Case) -> str | None:
    if not callable(getattr(case.module, "initialize_to_environment", None)):
        return "it has no initialize_to_environment()"
    return random_layer(case)


def _elsewhere(env: EnvSpec) -> EnvSpec:
    """Return a world of the same sizes in which ids, tags and actions stand in another order."""
    ids = [feature.id for feature in env.features]
    features = tuple(
        attrs.evolve(feature, id=number) for feature, number in zip(env.features, ids[1:] + ids[:1], strict=True)
    )
    actions = env.actions
    if actions.kind == "discrete":
        actions = ActionSpec(names=actions.names[1:] + actions.names[:1])
    return attrs.evolve(env, name="elsewhere", features=features, tags=env.tags[1:] + env.tags[:1], actions=actions)


@law("Initialised to another world and back, or twice to one, it is as it was; its weights stay.", unless=_fixed)
def reinitialisation(case: Case, data: DataObject) -> None:
    """Compare what it does before and after, and the state that a checkpoint keeps."""
    del data
    bound = case.bound()
    module = bound.module
    inputs = case.inputs(bound)
    wanted, state = run(case, bound, inputs), copy.deepcopy(dict(bound.state_dict()))
    for worlds in ((case.env,), (_elsewhere(case.env), case.env)):
        for world in worlds:
            try:
                module.initialize_to_environment(world, torch.device("cpu"))  # type: ignore[operator]
            except GlulamError:
                continue  # it cannot follow there, and says so
        names = [world.name for world in worlds]
        equal(run(case, bound, inputs), wanted, f"initialised again to {names}")
        for key, value in bound.state_dict().items():
            same = torch.equal(value, state[key]) if isinstance(value, torch.Tensor) else value == state[key]
            expect(holds=same, otherwise=f"its state {key!r} changed when it was initialised again to {names}")


@law(
    "What it tells of names is true: each name of the world is mapped or masked, each other one absent.",
    unless=lambda case: None if callable(getattr(case.module, "name_report", None)) else "it has no name_report()",
)
def names_are_told(case: Case, data: DataObject) -> None:
    """Look at the report at home, in a world with a new action and tag, and after learning them."""
    del data
    bound = case.bound()
    module = bound.module
    home: NameReport = module.name_report()  # type: ignore[operator]
    expect(holds=isinstance(home, NameReport), otherwise=f"name_report() returned {type(home).__name__}, no NameReport")
    expect(holds=not home.masked, otherwise=f"in its first world it masks {home.masked}")
    env = case.env
    actions = env.actions
    if actions.kind == "discrete":
        actions = ActionSpec(names=(*actions.names, "something_new"))
    world = attrs.evolve(env, name="larger", actions=actions)
    if not callable(getattr(module, "learn_names", None)) or world == env:
        return
    module.initialize_to_environment(world, torch.device("cpu"))  # type: ignore[operator]
    away: NameReport = module.name_report()  # type: ignore[operator]
    expect(holds=set(away.mapped) == set(home.mapped), otherwise=f"in a larger world it maps {away.mapped}")
    new = module.learn_names(world)  # type: ignore[operator]
    expect(holds=set(new) <= set(away.masked), otherwise=f"it learned {new}, of which not all was masked")
    module.initialize_to_environment(world, torch.device("cpu"))  # type: ignore[operator]
    after: NameReport = module.name_report()  # type: ignore[operator]
    expect(
        holds=set(after.mapped) == set(away.mapped) | set(new), otherwise=f"after learning {new} it maps {after.mapped}"
    )
