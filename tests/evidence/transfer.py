"""Trained policies moved to variants of `mettagrid:forage` that Hypothesis draws, by `glulam adapt`: whole episodes."""

import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import glulam
from tests.evidence.forage import train_and_evaluate
from tests.evidence.record import commit, write_result
from tests.plugins.policies.variants import (
    Renumbered,
    Renumbering,
    forage,
    play,
    renumberings,
    simulated,
    simulated_variants,
)

STEPS = {"fast": 400_000, "latent_attn_tiny": 400_000, "latent_attn_small": 400_000}
ENVS, LENGTH, SEED = 16, 128, 1_001
VARIANTS = 12
OLD = glulam.environment_spec("mettagrid:forage")
SHIFTED = Renumbering(
    ids={feature.name: (feature.id + 5) % OLD.num_features for feature in OLD.features},
    tags=OLD.tags[1:] + OLD.tags[:1],
    actions=OLD.actions.names[1:] + OLD.actions.names[:1],
)
DRAWN = settings(
    max_examples=VARIANTS, derandomize=True, database=None, deadline=None, phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


def run():
    """Train each policy, move it, and record what it did there beside what it did at home."""
    start, runs = commit(), []
    with tempfile.TemporaryDirectory() as folder:
        for name, steps in STEPS.items():
            checkpoint = Path(folder) / f"{name}.safetensors"
            trained = train_and_evaluate(name, 0, steps, keep=checkpoint)
            runs.append({"policy": name, "trained": trained["evaluation"], **moves(name, checkpoint)})
            print(name, [variant["equal_returns"] for variant in runs[-1]["variants"]], flush=True)
    command = "python -m tests.evidence transfer"
    print(write_result("transfer", command, start, steps=STEPS, episodes=ENVS * OLD.num_agents, runs=runs))


def moves(name, checkpoint):
    """Return how a trained policy does at home, in each variant, and in one of them without a mapping."""
    home = {greedy: play(glulam.load(checkpoint), world(), LENGTH, greedy=greedy) for greedy in (True, False)}
    found = []

    @DRAWN
    @given(change=renumberings(OLD, known=name == "fast"))
    def renumbered(change):
        make = lambda: Renumbered(world(), change)  # noqa: E731 - made anew for each play
        found.append({"kind": "renumbered"} | compared(checkpoint, home, make, make().spec, change.aliases))

    @DRAWN
    @given(change=renumberings(OLD, adds=True), seed=st.integers(0, 1000))
    def added(change, seed):
        make = lambda: Renumbered(world(), change, seed=seed)  # noqa: E731
        found.append({"kind": "tokens added or moved"} | compared(checkpoint, home, make, make().spec, change.aliases))

    @DRAWN
    @given(variant=simulated_variants())
    def rebuilt(variant):
        if name == "fast":  # it counts features and tags
            variant |= {"statues": False, "resources": ("heart", "ore")}
        make = lambda: simulated(variant, num_envs=ENVS, seed=SEED)[0]  # noqa: E731
        spec, aliases = make().spec, simulated(variant, num_envs=1, seed=SEED)[1]
        found.append({"kind": "another simulator"} | compared(checkpoint, home, make, spec, aliases))

    renumbered()
    if name != "fast":
        added()
    rebuilt()
    return {
        "at_home": {"greedy": mean_return(home[True]), "sampled": mean_return(home[False])},
        "raw_ids": raw_ids(checkpoint),
        "variants": found,
    }


def world():
    return forage(num_envs=ENVS, seed=SEED)


def compared(checkpoint, home, make, spec, aliases):
    """Return how the policy, moved by the command, does in a variant, beside what it did at home."""
    policy = adapted(checkpoint, spec, aliases)
    greedy, sampled = (play(policy, make(), LENGTH, greedy=greedy) for greedy in (True, False))
    forced = play(policy, make(), LENGTH, forced=home[True][1])
    returns, expected = greedy[2].sum(0), home[True][2].sum(0)
    return {
        "bit_equal": all(same(found, home[kind]) for kind, found in ((True, greedy), (False, sampled))),
        "largest_gap": float((forced[0] - home[True][0]).abs().max()),
        "equal_returns": float((returns == expected).double().mean()),
        "return_mean": mean_return(greedy),
        "return_sampled": mean_return(sampled),
        "aliases": aliases,
        "actions": list(spec.actions.names),
        "features": {feature.name: feature.id for feature in spec.features},
        "tags": list(spec.tags),
    }


def adapted(checkpoint, spec, aliases):
    """Return the policy as `glulam adapt` writes it for a spec, which needs no simulator."""
    with tempfile.TemporaryDirectory() as folder:
        env, out = Path(folder) / "env.yaml", Path(folder) / "adapted.safetensors"
        env.write_text(yaml.safe_dump(spec.obs_meta()), encoding="utf-8")
        renamed = [part for alias, name in aliases.items() for part in ("--alias", f"{alias}={name}")]
        command = ["adapt", str(checkpoint), "--env", str(env), "--out", str(out), *renamed]
        subprocess.run(
            [sys.executable, "-c", "from glulam.cli import main; main()", *command], check=True, capture_output=True
        )
        return glulam.load(out)


def raw_ids(checkpoint):
    """Return what the policy earns where all is renumbered and nobody maps it."""
    return mean_return(play(glulam.load(checkpoint), Renumbered(world(), SHIFTED), LENGTH))


def same(found, expected):
    return torch.equal(found[0], expected[0]) and found[1] == expected[1] and torch.equal(found[2], expected[2])


def mean_return(played):
    return float(played[2].sum(0).mean())
