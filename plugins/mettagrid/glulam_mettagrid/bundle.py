"""`glulam export --to mettagrid`: a folder, or a zip file, that mettagrid's own loader and runner play."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import shutil
import sys
import zipfile
from typing import TYPE_CHECKING, Any

import torch
from tensordict import TensorDict

import glulam
from glulam import GlulamError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from torch import Tensor

    from glulam import EnvSpec, Policy

__all__ = ["write_bundle"]

SPEC, WEIGHTS = "policy_spec.json", "checkpoint.safetensors"
CLASS = "glulam_mettagrid.agent.GlulamPolicy"
TOLERANCE = 1e-5


def write_bundle(policy: Policy, out: Path, *, greedy: bool, seed: int | None) -> list[Path]:
    """Write a bundle; see `glulam_mettagrid.exporters.to_mettagrid`.

    Raises:
        GlulamError: if the environment is none of mettagrid's, the policy reads what its runner does not tell, or the
            bundle cannot be written or computes something else.
    """
    _check_world(policy)
    spec = {
        "class_path": CLASS,
        "data_path": WEIGHTS,
        "init_kwargs": {"device": "cpu", "greedy": greedy, "seed": seed},
    }
    with _whole(out) as folder:
        glulam.save(policy, folder / WEIGHTS)
        (folder / SPEC).write_text(json.dumps(spec, indent=1), encoding="utf-8")
        _check_bundle(folder, policy)
    return [out]


def _check_world(policy: Policy) -> None:
    from glulam_mettagrid.agent import OFFERED

    env, name = policy.env, policy.resolved.name
    if env.tokens is None or env.actions.kind != "discrete":
        msg = f"environment {env.name!r} is none of mettagrid's: name one with --env, such as mettagrid:forage"
        raise GlulamError(msg)
    unknown = [key for key in policy.in_keys if key not in {"env_obs", "env_id", "dones", "truncateds", *OFFERED}]
    if unknown:
        msg = f"policy {name!r} reads {', '.join(unknown)}, which mettagrid's runner does not tell its agents"
        raise GlulamError(msg)


@contextlib.contextmanager
def _whole(out: Path) -> Iterator[Path]:
    """Give a folder to write into, which becomes `out` once it is complete, in place of an older bundle.

    Raises:
        GlulamError: if there is something else of that name, or it cannot be written.
    """
    zipped = out.suffix == ".zip"
    if out.is_dir() if zipped else out.exists() and not _replaceable(out):
        msg = f"{out} is there already, and is no bundle: name another"
        raise GlulamError(msg)
    part, old = (out.with_name(f".{out.name}.{os.getpid()}.{end}") for end in ("part", "old"))
    try:
        part.mkdir()
        yield part
        if zipped:
            archive = part / "bundle.zip"
            with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
                for name in (SPEC, WEIGHTS):
                    file.write(part / name, name)
            archive.replace(out)
        else:
            if out.exists():
                out.rename(old)
            part.rename(out)
    except OSError as error:
        msg = f"cannot write {out}: {error.strerror}"
        raise GlulamError(msg) from error
    finally:
        if old.exists() and not out.exists():
            old.rename(out)
        for folder in (part, old):
            shutil.rmtree(folder, ignore_errors=True)


def _replaceable(out: Path) -> bool:
    """Whether there is an older bundle, or an empty folder."""
    return out.is_dir() and ((out / SPEC).exists() or not any(out.iterdir()))


def _check_bundle(folder: Path, policy: Policy) -> None:
    """Load a bundle as mettagrid does, and hold what it makes of some observations against the policy.

    Raises:
        GlulamError: if they differ.
    """
    from mettagrid.policy.loader import initialize_or_load_policy
    from mettagrid.policy.prepare_policy_spec import load_policy_spec_from_path

    path = sys.path[:]
    try:
        loaded = initialize_or_load_policy(_interface(policy.env), load_policy_spec_from_path(folder))
    finally:
        sys.path[:] = path  # where the loader has put the folder, which has no code
    network: Any = loaded.network()
    policy = copy.deepcopy(policy).eval()
    policy.initialize_to_environment(policy.env, "cpu")  # where the bundle is
    for rows in (1, 5):
        td = _observations(policy.env, rows)
        with torch.no_grad():
            found, wanted = network.evaluate(td), policy.evaluate(td)
        for key in policy.out_keys:
            _compare(key, found[key], wanted[key], policy.resolved.name)


def _compare(key: str, found: Tensor, wanted: Tensor, name: str) -> None:
    if not torch.allclose(found, wanted, rtol=TOLERANCE, atol=TOLERANCE):
        difference = float((found - wanted).abs().max())
        msg = f"the bundle of policy {name!r}: {key!r} differs from the policy's by {difference:.1g}; nothing written"
        raise GlulamError(msg)


def _interface(env: EnvSpec) -> Any:  # noqa: ANN401 - mettagrid's
    """Return what mettagrid's runner would tell of a world."""
    from mettagrid.config.id_map import ObservationFeatureSpec
    from mettagrid.policy.policy_env_interface import PolicyEnvInterface

    return PolicyEnvInterface(
        obs_features=[
            ObservationFeatureSpec(id=feature.id, name=feature.name, normalization=feature.normalization)
            for feature in env.features
        ],
        tags=list(env.tags),
        action_names=list(env.actions.names),
        num_agents=env.num_agents,
        observation_shape=(env.num_tokens, env.token_columns),
        egocentric_shape=(env.view_height, env.view_width),
    )


def _observations(env: EnvSpec, rows: int) -> TensorDict:
    """Return a step in which agents see tokens of all features, in all places."""
    generator = torch.Generator().manual_seed(rows)
    shape = (rows, env.num_tokens)
    places = torch.randint(env.view_height, shape, generator=generator) << 4
    places |= torch.randint(env.view_width, shape, generator=generator)
    ids = torch.tensor([feature.id for feature in env.features])
    kinds = ids[torch.randint(len(ids), shape, generator=generator)]
    values = torch.randint(min(len(env.tags) or 1, env.num_actions), shape, generator=generator)
    ends = torch.zeros(rows, dtype=torch.bool)
    return TensorDict(
        {
            "env_obs": torch.stack((places, kinds, values), dim=-1).to(torch.uint8),
            "env_id": torch.arange(rows),
            "dones": ends,
            "truncateds": ends,
            "last_actions": torch.zeros(rows, dtype=torch.int64),
        },
        batch_size=[rows],
    )
