"""Variants of `mettagrid:forage`: the same games under other ids, names, orders, with things added.

A `Renumbering` rewrites what a world shows and is told; the simulator behind it is the same. `simulated` builds the
simulator itself from another config. What is renamed stands in `aliases`, new name to old.

`B` rows, `N` tokens.
"""

from contextlib import closing

import attrs
import numpy as np
import torch
from hypothesis import strategies as st
from mettagrid.config.mettagrid_config import GridObjectConfig

import glulam
from glulam_mettagrid.tasks import build_task
from glulam_mettagrid.vector import MettaGridEnvironment

PADDING = 255
NEW_ACTIONS = ("wait", "rest")


@attrs.frozen(kw_only=True)
class Renumbering:
    """How a variant differs from a world.

    `ids` are the features' new ids; `tags` and `actions` list what the variant has, by the old world's names or new
    ones; `features` are new ones; `aliases` rename. `extra` tokens of new features stand behind the real ones, and
    `shuffles` says whether the tokens of a row are put in another order.
    """

    ids: dict
    tags: tuple
    actions: tuple
    features: tuple = ()
    aliases: dict = attrs.field(factory=dict)
    extra: int = 0
    shuffles: bool = False

    def spec(self, old):
        """Return the variant of a spec."""
        back = {name: alias for alias, name in self.aliases.items()}
        features = [attrs.evolve(feature, id=self.ids[feature.name]) for feature in old.features]
        spec = attrs.evolve(
            old,
            name=f"{old.name} renumbered",
            features=(*features, *self.features),
            tags=self.tags,
            actions=glulam.ActionSpec(names=self.actions),
        )
        return spec.renamed(back)


@st.composite
def renumberings(draw, old, *, adds=False, known=False):
    """Draw a renumbering of a world; with `adds` tokens are added and put in another order too.

    With `known` no feature or tag is new, so that a policy which counts them can follow.
    """
    new_features = 0 if known else draw(st.integers(1 if adds else 0, 2))
    ids = draw(st.permutations(range(256)))
    count = old.num_features
    new_tags = () if known else draw(st.sampled_from([(), ("statue",), ("gem", "statue")]))
    tags = draw(st.permutations([*old.tags, *new_tags]))
    actions = draw(st.permutations([*old.actions.names, *draw(st.sampled_from([(), NEW_ACTIONS[:1], NEW_ACTIONS]))]))
    renamed = draw(st.lists(st.sampled_from([*old.tags, *old.actions.names]), max_size=3, unique=True))
    return Renumbering(
        ids=dict(zip((feature.name for feature in old.features), ids[:count], strict=True)),
        tags=tuple(tags),
        actions=tuple(actions),
        features=tuple(
            glulam.Feature(name=f"weather_{n}", id=ids[count + n], normalization=7.0) for n in range(new_features)
        ),
        aliases={f"{name}_by_another_name": name for name in renamed},
        extra=draw(st.integers(1, 12)) if adds else 0,
        shuffles=adds and draw(st.booleans()),
    )


class Renumbered:
    """A world behind a renumbering; new actions do what `noop` does."""

    def __init__(self, world, change, *, seed=0):
        self.world, self.change = world, change
        self.spec = change.spec(world.spec)
        self.codes = self._codes(world.spec)
        places = {name: index for index, name in enumerate(world.spec.actions.names)}
        self.actions = torch.tensor([places.get(name, places["noop"]) for name in change.actions])
        self.generator = np.random.default_rng(seed)

    def _codes(self, old):
        """Return the new (id, value) of each old (id, value), `[256, 256, 2]` uint8."""
        codes = np.stack(np.meshgrid(np.arange(256), np.arange(256), indexing="ij"), -1).astype(np.uint8)
        orders = {"tag": (old.tags, self.change.tags), "action": (old.actions.names, self.change.actions)}
        for feature in old.features:
            codes[feature.id, :, 0] = self.change.ids[feature.name]
            if feature.values != "number":
                before, after = orders[feature.values]
                for value, name in enumerate(before):
                    codes[feature.id, value, 1] = after.index(name)
        return codes

    def reset(self):
        return self._shown(self.world.reset())

    def step(self, actions):
        return self._shown(self.world.step(self.actions[actions]))

    def close(self):
        self.world.close()

    def _shown(self, td):
        td["env_obs"] = torch.from_numpy(self._translated(td["env_obs"].numpy()))
        return td

    def _translated(self, obs):
        real = obs[..., 0] != PADDING
        new = obs.copy()
        new[real, 1:] = self.codes[obs[..., 1], obs[..., 2]][real]
        for row, used in zip(new, real.sum(-1), strict=True):
            self._disturb(row, int(used))
        return new

    def _disturb(self, row, used):
        """Add tokens of new features behind the used ones, and put all of them in another order."""
        change, draw = self.change, self.generator
        added = min(change.extra, len(row) - used)
        for place in range(used, used + added):
            feature = change.features[draw.integers(len(change.features))]
            row[place] = (draw.integers(11) << 4 | draw.integers(11), feature.id, draw.integers(255))
        if change.shuffles:
            row[: used + added] = row[draw.permutation(used + added)]


@st.composite
def simulated_variants(draw):
    """Draw what the simulator itself can vary: order and number of resources, names of objects."""
    others = draw(st.sampled_from([(), ("gem",), ("coin", "gem")]))
    renamed = [{}, {"mine": "quarry"}, {"altar": "shrine"}, {"mine": "shrine", "altar": "quarry"}]
    return {
        "resources": tuple(draw(st.permutations(["ore", "heart", *others]))),
        "names": draw(st.sampled_from(renamed)),
        "statues": draw(st.booleans()),
    }


def simulated(variant, *, num_envs, seed):
    """Return `forage` built from another config, and the aliases that lead back."""
    task = build_task("forage")
    names = variant["names"]
    game = task.config.game.model_copy(deep=True)
    game.resource_names = list(variant["resources"])
    objects = {}
    for name, item in game.objects.items():
        new = names.get(name, name)
        objects[new] = item if new == name else GridObjectConfig(name=new, on_use_handler=item.on_use_handler)
    if variant["statues"]:
        objects["statue"] = GridObjectConfig(name="statue")
    game.objects = objects

    def map_for_seed(number):
        old = task.map_for_seed(number)
        return old.model_copy(update={"objects": {names.get(name, name): n for name, n in old.objects.items()}})

    game.map_builder = map_for_seed(0)
    config = task.config.model_copy(update={"game": game})
    world = MettaGridEnvironment(
        config, name="mettagrid:forage varied", num_envs=num_envs, seed=seed, map_for_seed=map_for_seed
    )
    tags = {f"type:{new}": f"type:{old}" for old, new in names.items()}
    return world, tags


def forage(*, num_envs, seed):
    """Return `mettagrid:forage` as it is."""
    return glulam.make_environment("mettagrid:forage", num_envs=num_envs, seed=seed)


def play(policy, world, steps, *, greedy=False, seed=0, forced=None):
    """Play and return, a step and row, the policy's log-probs by its own names, the action's name, the reward.

    Args:
        policy: initialised to the world; its memory is cleared first.
        world: closed at the end.
        steps: of each row.
        greedy: whether it takes the likeliest action.
        seed: of sampling.
        forced: names `[steps][B]` of actions to take instead of the policy's.

    Returns:
        log-probs `[steps, B, K]` of the policy's actions in the order of their names, names `[steps][B]`, rewards
        `[steps, B]` float64.
    """
    here = [policy.aliases.get(name, name) for name in world.spec.actions.names]
    order = torch.tensor(sorted((n for n, name in enumerate(here) if name not in NEW_ACTIONS), key=here.__getitem__))
    log_probs, names, rewards = [], [], []
    policy.reset_memory()
    policy.each("set_greedy", greedy)
    policy.keep = ["logits"]
    with closing(world), torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(seed)
        td = world.reset()
        for step in range(steps):
            td = policy(td)
            actions = td["actions"]
            head = policy.action_head.module
            log_probs.append(head.score(td["logits"], None, actions)[2][:, order].clone())
            if forced is not None:
                actions = torch.tensor([here.index(name) for name in forced[step]])
            names.append([here[action] for action in actions.tolist()])
            td = world.step(actions)
            rewards.append(td["rewards"].double().clone())
    policy.keep = ()
    return torch.stack(log_probs), names, torch.stack(rewards)
