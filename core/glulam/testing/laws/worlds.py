"""Laws of worlds: a layer that is initialised again is as new, weights kept, and names decide."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import attrs
import torch

from glulam._errors import GlulamError
from glulam.keys import declared_keys
from glulam.layouts import ActionSpec
from glulam.names import NameReport
from glulam.testing._laws import expect, law
from glulam.testing.laws._common import close, elsewhere, equal, random_layer, run

if TYPE_CHECKING:
    from hypothesis.strategies import DataObject

    from glulam.bound import BoundLayer
    from glulam.testing._case import Case, Tensors

__all__: list[str] = []


def _fixed(case: Case) -> str | None:
    if not callable(getattr(case.module, "initialize_to_environment", None)):
        return "it has no initialize_to_environment()"
    return random_layer(case)


@law("Initialised to another world and back, or twice to one, it is as it was; its weights stay.", unless=_fixed)
def reinitialisation(case: Case, data: DataObject) -> None:
    """Compare what it does before and after, and the state that a checkpoint keeps."""
    del data
    bound = case.bound()
    module = bound.module
    inputs = case.inputs(bound)
    wanted, state = run(case, bound, inputs), copy.deepcopy(dict(bound.state_dict()))
    for worlds in ((case.env,), (elsewhere(case.env), case.env)):
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
    try:
        new = module.learn_names(world)  # type: ignore[operator]
    except GlulamError:
        return  # it has no room for more names, and says so
    expect(holds=set(new) <= set(away.masked), otherwise=f"it learned {new}, of which not all was masked")
    module.initialize_to_environment(world, torch.device("cpu"))  # type: ignore[operator]
    after: NameReport = module.name_report()  # type: ignore[operator]
    expect(
        holds=set(after.mapped) == set(away.mapped) | set(new), otherwise=f"after learning {new} it maps {after.mapped}"
    )


ACTIONS = "env.num_actions"


def _no_actions(case: Case) -> str | None:
    if not callable(getattr(case.module, "name_report", None)):
        return "it has no name_report()"
    if case.env.actions.kind != "discrete" or not any(ACTIONS in dims for dims in _declared(case).values()):
        return "nothing that it writes has a place for each action"
    return random_layer(case)


def _declared(case: Case) -> dict[str, list[str]]:
    """Return the dims that the config declares for each key."""
    config = case.config
    specs = declared_keys(type(config))
    return {str(getattr(config, field)): spec.shape.split() for field, spec in specs.items()}


def _moved(case: Case, tensors: Tensors, order: list[int]) -> Tensors:
    """Return tensors with the places of actions in another order."""
    found = dict(tensors)
    for key, dims in _declared(case).items():
        if key in found and ACTIONS in dims:
            place = dims.index(ACTIONS) + (0 if case.shared(key) else 1)
            found[key] = found[key].index_select(place, torch.tensor(order))
    return found


@law(
    "Each action keeps what is its own, wherever a world lists it; one that is not known gets nothing.",
    unless=_no_actions,
)
def names_decide(case: Case, data: DataObject) -> None:
    """Compare what it writes in a world of another order, and look at the gradient of a new action's part."""
    del data
    bound = case.bound()
    module, env = bound.module, case.env
    inputs = case.inputs(bound)
    wanted = run(case, bound, inputs)
    names = env.actions.names
    order = [*range(1, len(names)), 0]
    world = attrs.evolve(env, actions=ActionSpec(names=[names[place] for place in order]))
    module.initialize_to_environment(world, torch.device("cpu"))  # type: ignore[operator]
    found = run(case, bound, _moved(case, inputs, order))
    close(found, _moved(case, wanted, order), "in a world that lists its actions in another order")
    _new_action(case, bound, inputs)


def _new_action(case: Case, bound: BoundLayer, inputs: Tensors) -> None:
    names = case.env.actions.names
    world = attrs.evolve(case.env, actions=ActionSpec(names=(*names, "something_new")))
    bound.module.initialize_to_environment(world, torch.device("cpu"))  # type: ignore[operator]
    more = _moved(case, inputs, [*range(len(names)), 0])
    written = case.call(bound, more)
    for key, dims in _declared(case).items():
        if key not in written or ACTIONS not in dims or not written[key].requires_grad:
            continue
        place = dims.index(ACTIONS) + (0 if case.shared(key) else 1)
        part = written[key].select(place, len(names)).sum()
        weights = [weight for weight in bound.parameters() if weight.requires_grad]
        grads = torch.autograd.grad(part, weights, allow_unused=True, retain_graph=True) if part.requires_grad else ()
        learned = any(grad is not None and bool(grad.count_nonzero()) for grad in grads)
        expect(
            holds=not learned, otherwise=f"what {key!r} holds for an unknown action comes from weights of known ones"
        )
