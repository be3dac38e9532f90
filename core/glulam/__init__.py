"""Reinforcement-learning policies assembled from plug-in layers.

Configs, the registry and the resolver never import torch; the names that need it load on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from glulam._errors import GlulamError as GlulamError
    from glulam.actions import checked_actions as checked_actions
    from glulam.api import build as build
    from glulam.bound import BoundLayer as BoundLayer
    from glulam.catalog import Registry as Registry
    from glulam.catalog import registry as registry
    from glulam.checkpoint import load as load
    from glulam.checkpoint import save as save
    from glulam.checkpoint import warm_start as warm_start
    from glulam.config import LayerConfig as LayerConfig
    from glulam.config import LossConfig as LossConfig
    from glulam.config import ObsShaperConfig as ObsShaperConfig
    from glulam.config import PolicyConfig as PolicyConfig
    from glulam.config import layer as layer
    from glulam.config import layer_config as layer_config
    from glulam.config import layer_field as layer_field
    from glulam.environment import EnvSpec as EnvSpec
    from glulam.experience import ExperienceSpec as ExperienceSpec
    from glulam.experience import TensorSpec as TensorSpec
    from glulam.experience import merge_specs as merge_specs
    from glulam.experience import spec_bytes as spec_bytes
    from glulam.faults import Fault as Fault
    from glulam.faults import PolicyError as PolicyError
    from glulam.files import replacing as replacing
    from glulam.hooks import Advice as Advice
    from glulam.hooks import hookimpl as hookimpl
    from glulam.keys import divides as divides
    from glulam.keys import from_env as from_env
    from glulam.keys import reads as reads
    from glulam.keys import reads_many as reads_many
    from glulam.keys import stored as stored
    from glulam.keys import writes as writes
    from glulam.layouts import ActionSpec as ActionSpec
    from glulam.layouts import BoxLayout as BoxLayout
    from glulam.layouts import Feature as Feature
    from glulam.layouts import TokenLayout as TokenLayout
    from glulam.memory import MemoryLayer as MemoryLayer
    from glulam.memory import State as State
    from glulam.memory import mask_state as mask_state
    from glulam.names import NameReport as NameReport
    from glulam.policy import Policy as Policy
    from glulam.protocol import Environment as Environment
    from glulam.protocol import RenderableEnvironment as RenderableEnvironment
    from glulam.protocol import RestartableEnvironment as RestartableEnvironment
    from glulam.recurrence import Recurrence as Recurrence
    from glulam.repeated import Repeated as Repeated
    from glulam.resolver import ResolvedPolicy as ResolvedPolicy
    from glulam.resolver import resolve as resolve
    from glulam.tensor_file import read_tensors as read_tensors
    from glulam.tensor_file import write_tensors as write_tensors
    from glulam.worlds import check_copies as check_copies
    from glulam.worlds import environment_spec as environment_spec
    from glulam.worlds import make_environment as make_environment

_HOMES = {
    "ActionSpec": "glulam.layouts",
    "Advice": "glulam.hooks",
    "BoundLayer": "glulam.bound",
    "BoxLayout": "glulam.layouts",
    "EnvSpec": "glulam.environment",
    "Environment": "glulam.protocol",
    "ExperienceSpec": "glulam.experience",
    "Fault": "glulam.faults",
    "Feature": "glulam.layouts",
    "GlulamError": "glulam._errors",
    "LayerConfig": "glulam.config",
    "LossConfig": "glulam.config",
    "MemoryLayer": "glulam.memory",
    "NameReport": "glulam.names",
    "ObsShaperConfig": "glulam.config",
    "Policy": "glulam.policy",
    "PolicyConfig": "glulam.config",
    "PolicyError": "glulam.faults",
    "Recurrence": "glulam.recurrence",
    "Registry": "glulam.catalog",
    "RenderableEnvironment": "glulam.protocol",
    "Repeated": "glulam.repeated",
    "ResolvedPolicy": "glulam.resolver",
    "RestartableEnvironment": "glulam.protocol",
    "State": "glulam.memory",
    "TensorSpec": "glulam.experience",
    "TokenLayout": "glulam.layouts",
    "build": "glulam.api",
    "checked_actions": "glulam.actions",
    "divides": "glulam.keys",
    "environment_spec": "glulam.worlds",
    "from_env": "glulam.keys",
    "hookimpl": "glulam.hooks",
    "layer": "glulam.config",
    "layer_config": "glulam.config",
    "layer_field": "glulam.config",
    "load": "glulam.checkpoint",
    "check_copies": "glulam.worlds",
    "make_environment": "glulam.worlds",
    "mask_state": "glulam.memory",
    "merge_specs": "glulam.experience",
    "read_tensors": "glulam.tensor_file",
    "reads": "glulam.keys",
    "reads_many": "glulam.keys",
    "registry": "glulam.catalog",
    "replacing": "glulam.files",
    "resolve": "glulam.resolver",
    "save": "glulam.checkpoint",
    "spec_bytes": "glulam.experience",
    "stored": "glulam.keys",
    "warm_start": "glulam.checkpoint",
    "write_tensors": "glulam.tensor_file",
    "writes": "glulam.keys",
}

__all__ = [
    "ActionSpec",
    "Advice",
    "BoundLayer",
    "BoxLayout",
    "EnvSpec",
    "Environment",
    "ExperienceSpec",
    "Fault",
    "Feature",
    "GlulamError",
    "LayerConfig",
    "LossConfig",
    "MemoryLayer",
    "NameReport",
    "ObsShaperConfig",
    "Policy",
    "PolicyConfig",
    "PolicyError",
    "Recurrence",
    "Registry",
    "RenderableEnvironment",
    "Repeated",
    "ResolvedPolicy",
    "RestartableEnvironment",
    "State",
    "TensorSpec",
    "TokenLayout",
    "build",
    "check_copies",
    "checked_actions",
    "divides",
    "environment_spec",
    "from_env",
    "hookimpl",
    "layer",
    "layer_config",
    "layer_field",
    "load",
    "make_environment",
    "mask_state",
    "merge_specs",
    "read_tensors",
    "reads",
    "reads_many",
    "registry",
    "replacing",
    "resolve",
    "save",
    "spec_bytes",
    "stored",
    "warm_start",
    "write_tensors",
    "writes",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module's attribute can be anything
    """Import a public name's home when it is first asked for."""
    if name not in _HOMES:
        msg = f"module 'glulam' has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
