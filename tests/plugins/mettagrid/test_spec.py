"""The EnvSpec of a mettagrid config."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest

from glulam import EnvSpec, GlulamError
from glulam_mettagrid import environments

pytestmark = pytest.mark.skipif(find_spec("mettagrid") is None, reason="mettagrid has no wheel for this machine")

FIXED = [
    ("agent:group", 10.0),
    ("episode_completion_pct", 255.0),
    ("last_action", 10.0),
    ("last_reward", 100.0),
    ("goal", 100.0),
    ("vibe", 255.0),
    ("tag", 10.0),
    ("lp:east", 255.0),
    ("lp:west", 255.0),
    ("lp:north", 255.0),
    ("lp:south", 255.0),
    ("agent_id", 255.0),
]
ACTIONS = ("noop", "move_north", "move_south", "move_west", "move_east")


def _config(**game):
    """A config whose agents and objects the test sets."""
    from mettagrid.config import mettagrid_config as m

    actions = m.ActionsConfig(change_vibe=m.ChangeVibeActionConfig(enabled=False, vibes=[]))
    settings = {"num_agents": 1, "actions": actions, "resource_names": ["ore"], "protocol_details_obs": False}
    return m.MettaGridConfig(game=m.GameConfig(**(settings | game)))


def _inventory(base, top=65535, **more):
    from mettagrid.config.mettagrid_config import InventoryConfig, ResourceLimitsConfig

    return InventoryConfig(limits={"ore": ResourceLimitsConfig(base=base, max=top, resources=["ore"], **more)})


def _ore_scale(config) -> float:
    from glulam_mettagrid.spec import env_spec

    return {f.name: f.normalization for f in env_spec(config, name="own").features}["inv:ore"]


class TestTasks:
    """Oracle: tables written by hand from mettagrid's documentation and the task descriptions."""

    def test_forage(self):
        spec = environments.spec("forage")
        own = [("inv:ore", 1.0), ("inv:ore:p1", 256.0), ("inv:heart", 256.0), ("inv:heart:p1", 256.0)]
        assert [(f.id, f.name, f.normalization) for f in spec.features] == [
            (n, *pair) for n, pair in enumerate(FIXED + own)
        ]
        assert spec.tags == ("type:agent", "type:altar", "type:mine", "type:wall")
        assert spec.actions.names == ACTIONS
        assert spec.optional_inputs == ("last_actions", "last_rewards")
        assert (spec.name, spec.num_agents, spec.autoreset) == ("mettagrid:forage", 4, "same_step")
        assert (spec.view_height, spec.view_width, spec.num_tokens, spec.token_columns) == (11, 11, 200, 3)
        assert (spec.tokens.padding, spec.tokens.global_location) == (0xFF, 0xFE)

    def test_tmaze(self):
        spec = environments.spec("tmaze")
        assert [(f.name, f.normalization) for f in spec.features[12:]] == [
            ("inv:coin", 1.0),
            ("inv:coin:p1", 256.0),
            ("inv:heart", 1.0),
            ("inv:heart:p1", 256.0),
        ]
        assert spec.tags == ("type:agent", "type:altar", "type:lamp_blue", "type:lamp_red", "type:wall")
        assert (spec.view_height, spec.view_width, spec.num_tokens, spec.num_agents) == (5, 5, 64, 1)

    def test_names_are_told_from_numbers(self):
        meant = {f.name: f.values for f in environments.spec("forage").features if f.values != "number"}
        assert meant == {"tag": "tag", "last_action": "action"}

    def test_a_view_size_is_part_of_the_name(self):
        spec = environments.spec("forage?view=9")
        assert (spec.name, spec.view_height, spec.view_width) == ("mettagrid:forage?view=9", 9, 9)

    @pytest.mark.parametrize("task", environments.tasks)
    def test_the_spec_survives_json(self, task):
        spec = environments.spec(task)
        assert EnvSpec.from_dict(spec.obs_meta()) == spec


class TestTokensMeanWhatTheSpecSays:
    """Oracle: mettagrid's own simulator, stepped by hand."""

    def _simulation(self):
        from mettagrid.simulator import Simulation

        from glulam_mettagrid.tasks import build_task

        return Simulation(build_task("forage").config, seed=0)

    def test_last_action_is_the_action_that_took_effect(self):
        spec = environments.spec("forage")
        feature = next(f.id for f in spec.features if f.name == "last_action")
        simulation, rng = self._simulation(), np.random.default_rng(0)
        failed = 0
        for _ in range(20):
            chosen = rng.integers(0, 5, 4)
            simulation._c_sim.actions()[:] = chosen
            simulation.step()
            for agent, (action, worked) in enumerate(zip(chosen, simulation.action_success, strict=True)):
                tokens = simulation._c_sim.observations()[agent]
                shown = tokens[(tokens[:, 0] == spec.tokens.global_location) & (tokens[:, 1] == feature), 2]
                expected = simulation.action_names[action] if worked else "noop"
                assert [spec.actions.names[value] for value in shown] == [expected]
                failed += not worked
        assert failed > 0

    def test_every_token_is_in_the_spec(self):
        spec, simulation, rng = environments.spec("forage"), self._simulation(), np.random.default_rng(0)
        ids, tag = {f.id for f in spec.features}, next(f.id for f in spec.features if f.name == "tag")
        for _ in range(128):
            simulation._c_sim.actions()[:] = rng.integers(0, 5, 4)
            simulation.step()
            tokens = simulation._c_sim.observations().reshape(-1, 3)
            tokens = tokens[tokens[:, 0] != spec.tokens.padding]
            assert set(tokens[:, 1].tolist()) <= ids
            assert tokens[tokens[:, 1] == tag, 2].max() < spec.num_tags
            places = tokens[tokens[:, 0] != spec.tokens.global_location, 0]
            assert (places >> 4).max() < spec.view_height
            assert (places & 15).max() < spec.view_width


class TestScaleOfAmounts:
    """Oracle: the largest amount that a token can show, worked out by hand."""

    def test_no_limit(self):
        assert _ore_scale(_config()) == 256

    @pytest.mark.parametrize(("base", "top", "scale"), [(7, 65535, 7), (7, 5, 5), (255, 999, 255), (256, 999, 256)])
    def test_a_limit_of_the_agents(self, base, top, scale):
        from mettagrid.config.mettagrid_config import AgentConfig

        assert _ore_scale(_config(agent=AgentConfig(inventory=_inventory(base, top)))) == scale

    def test_a_limit_that_grows_counts_in_full(self):
        from mettagrid.config.mettagrid_config import AgentConfig

        inventory = _inventory(0, 20, modifiers={"ore": 2})
        assert _ore_scale(_config(agent=AgentConfig(inventory=inventory))) == 20

    def test_the_largest_of_unlike_agents(self):
        from mettagrid.config.mettagrid_config import AgentConfig

        agents = [AgentConfig(inventory=_inventory(n)) for n in (3, 8)]
        assert _ore_scale(_config(num_agents=2, agents=agents)) == 8

    def test_objects_that_hold_more(self):
        from mettagrid.config.mettagrid_config import AgentConfig, GridObjectConfig, WallConfig

        chest = GridObjectConfig(name="chest", inventory=_inventory(30))
        config = _config(agent=AgentConfig(inventory=_inventory(2)), objects={"wall": WallConfig(), "chest": chest})
        assert _ore_scale(config) == 30


class TestRefusals:
    """Oracle: the text, as a user reads it."""

    def _message(self, config) -> str:
        from glulam_mettagrid.spec import env_spec

        with pytest.raises(GlulamError) as caught:
            env_spec(config, name="own")
        return str(caught.value)

    def test_an_even_view_in_a_config_of_ones_own(self):
        from mettagrid.config.mettagrid_config import ObsConfig

        assert self._message(_config(obs=ObsConfig(width=6, height=7))) == (
            "own: a view width of 6 crashes mettagrid; it must be odd and from 3 to 15, so take 5 or 7"
        )

    def test_vibes(self):
        from mettagrid.config.mettagrid_config import ActionsConfig

        assert self._message(_config(actions=ActionsConfig())) == (
            "own: change_vibe is on, and needs a second action a step: set change_vibe.enabled to False"
        )

    def test_what_only_mettagrids_runner_does(self):
        from mettagrid.config.mettagrid_config import TalkConfig

        assert self._message(_config(talk=TalkConfig(enabled=True))) == (
            "own: talk works in mettagrid's own runner only; leave it out"
        )
        assert self._message(_config(end_episode_on_game_stats={"won": 1.0})) == (
            "own: end_episode_on_game_stats works in mettagrid's own runner only; leave it out"
        )
