"""The settings of a training run: one YAML file, saved with the run. Imports no torch."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Self

import attrs
import numpy as np

from glulam import GlulamError
from glulam_train.kinds import choice, flag, groups, kind_of, losses, names, number, setting, text, whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

__all__ = ["TrainSettings", "read_settings", "set_field"]

MAX_SEED = 2**30
MAX_THREADS = 4096
MAX_GROUPS = 64


@attrs.frozen(kw_only=True)
class TrainSettings:
    """How to train: what, where, for how long, and the numbers of PPO.

    The defaults learn `mettagrid:forage`. `steps` counts agent-steps. An update plays `horizon` steps of every agent
    and learns from them `epochs` times over, in `minibatches` parts of whole segments.

    Attributes:
        policy: the name or path of a policy.
        env: an environment, such as mettagrid:forage.
        steps: agent-steps to train for.
        seed: of weights, actions and episodes.
        losses: names of losses, or mappings of a loss and its fields.
        num_envs: environments that are played side by side.
        horizon: steps of each agent in a rollout.
        segment: steps that memory is trained through; None for the horizon.
        burn_in: steps at the start of a segment that only bring its memory up to date.
        epochs: passes over a rollout.
        minibatches: parts of a pass, one optimiser step each.
        learning_rate: Adam's, at its height; a step's size.
        schedule: `constant`, or `linear` or `cosine` down to 0 at the last step.
        warmup_steps: agent-steps in which the learning rate rises to its full size.
        adam_eps: Adam's epsilon.
        weight_decay: decoupled, as in AdamW.
        groups: layers with a rate or decay of their own.
        freeze: layers that are not trained.
        init_from: a checkpoint to take weights from.
        init_layers: which layers are taken from it; None for all.
        init_learn_names: whether names that are new in this world get rows to be learned, or are masked.
        normalize_returns: whether rewards are divided by the spread of returns.
        gamma: discount of a step.
        gae_lambda: 0 trusts the values, 1 the rewards.
        max_grad_norm: the norm at which gradients are clipped.
        device: of torch, such as cpu or cuda.
        buffer_device: where the experience buffer lies, `policy` (beside the policy) or `cpu`.
        env_workers: processes that step the environments; 0 for none beside this one.
        env_groups: parts of the environments that the policy acts in by turns.
        rank_timeout: seconds after which a rank that is silent is lost.
        threads: of torch; None for as many as it chooses.
        checkpoint_interval: agent-steps between two points to resume from; first and last are saved in any case.
        keep_checkpoints: how many of the latest points are kept.
        tensorboard: whether scalars are written for TensorBoard.

    Raises:
        GlulamError: if a value is out of range, naming the field and what to write.
    """

    policy: str = setting(text("the name or path of a policy, such as fast"))
    env: str = setting(text("an environment, such as mettagrid:forage"))
    steps: int = setting(whole(1), 1_000_000)
    seed: int = setting(whole(0, MAX_SEED), 0)
    losses: tuple[Any, ...] = setting(losses(), ("ppo",))
    num_envs: int = setting(whole(1), 32)
    horizon: int = setting(whole(1), 32)
    segment: int | None = setting(whole(1, optional=True), None)  # steps that memory is trained through; null: horizon
    burn_in: int = setting(whole(0), 0)  # steps of a segment that only bring its memory up to date
    epochs: int = setting(whole(1), 3)
    minibatches: int = setting(whole(1), 4)
    learning_rate: float = setting(number(above=0), 1e-3)
    schedule: str = setting(choice("constant", "linear", "cosine"), "constant")  # down to 0 at the last step
    warmup_steps: int = setting(whole(0), 0)  # agent-steps in which the learning rate rises to its full size
    adam_eps: float = setting(number(above=0), 1e-5)
    weight_decay: float = setting(number(least=0), 0.0)
    groups: tuple[Any, ...] = setting(groups(), ())  # layers with a rate or decay of their own
    freeze: tuple[str, ...] = setting(names(), ())  # layers that are not trained
    init_from: str | None = setting(text("the path of a checkpoint", optional=True), None)
    init_layers: tuple[str, ...] | None = setting(names(optional=True), None)  # of that checkpoint; null: all
    init_learn_names: bool = setting(flag(), True)  # noqa: FBT003 - a default; what is new here gets rows; false: masked
    normalize_returns: bool = setting(flag(), False)  # noqa: FBT003 - a default
    gamma: float = setting(number(most=1), 0.97)
    gae_lambda: float = setting(number(most=1), 0.95)
    max_grad_norm: float = setting(number(above=0), 0.5)
    device: str = setting(text("a device of torch, such as cpu or cuda"), "cpu")
    buffer_device: str = setting(choice("policy", "cpu"), "policy")  # where the experience buffer lies
    env_workers: int = setting(whole(0), 0)  # processes that step the environments; 0: this one does
    env_groups: int = setting(whole(1, MAX_GROUPS), 1)  # parts of the environments that the policy acts in by turns
    rank_timeout: float = setting(number(above=0), 120.0)  # seconds after which a rank that is silent is lost
    threads: int | None = setting(whole(1, MAX_THREADS, optional=True), None)  # null: as many as torch chooses
    checkpoint_interval: int = setting(whole(1), 200_000)  # agent-steps; first and last are saved in any case
    keep_checkpoints: int = setting(whole(1), 3)  # how many of the latest points to resume from are kept
    tensorboard: bool = setting(flag(), True)  # noqa: FBT003 - a default

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any], *, where: str = "settings") -> Self:
        """Return settings made from plain values, numbers read as in YAML 1.2 (`1e-3` is one).

        Raises:
            GlulamError: naming every field that is unknown, missing or wrong, and what to write instead.
        """
        fields = {field.name: field for field in attrs.fields(cls)}
        problems = [_unknown(name, fields) for name in data if name not in fields]
        values: dict[str, Any] = {}
        for name, field in fields.items():
            try:
                if name in data:
                    values[name] = kind_of(field).parse(name, data[name])
                elif field.default is attrs.NOTHING:
                    problems.append(f"{name} is missing: write {kind_of(field).expected}")
            except GlulamError as error:
                problems.append(str(error))
        if problems:
            raise GlulamError("\n".join(f"{where}: {problem}" for problem in problems))
        return cls(**values)

    def plain(self) -> dict[str, Any]:
        """Return the settings as plain values, as a file holds them."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in attrs.asdict(self).items()}

    def to_yaml(self) -> str:
        """Return the settings as the text of a file that `read_settings` reads."""
        from glulam_train.yaml_file import dump_yaml

        return dump_yaml(self.plain())

    @property
    def loss_names(self) -> list[str]:
        """The names of the losses, in order."""
        return [loss if isinstance(loss, str) else loss["loss"] for loss in self.losses]

    def environment_seed(self, boundary: int = 0, rank: int = 0) -> int:
        """Return the seed of a rank's episodes after a checkpoint, the start being number 0.

        It is even, while evaluation uses odd ones, so they share no episode.
        """
        if not (boundary or rank):
            return 2 * self.seed
        return 2 * _drawn(self.seed, boundary, *([rank] if rank else []))

    def action_seed(self, rank: int) -> int:
        """Return the seed of what a rank draws once the policy is built."""
        return _drawn(self.seed, 0, 0, rank)


def read_settings(path: Path | None, assignments: Iterable[str] = (), **given: object) -> TrainSettings:
    """Return settings from a file, then `key=value` assignments, then what else was given (unless None).

    Args:
        path: a YAML file, or None.
        assignments: `FIELD=VALUE`, or `LOSS.FIELD=VALUE` for a field of a loss; values as in YAML.
        given: fields by name.

    Raises:
        GlulamError: if the file cannot be read or anything in it or after it is wrong.
    """
    from glulam_train.yaml_file import read_yaml

    data = {} if path is None else read_yaml(path, "settings")
    for assignment in assignments:
        _assign(data, assignment)
    data |= {name: value for name, value in given.items() if value is not None}
    return TrainSettings.from_mapping(data, where="settings" if path is None else str(path))


def _drawn(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1)[0]) % MAX_SEED


def _assign(data: dict[str, Any], assignment: str) -> None:
    import yaml

    from glulam_train.yaml_file import load_yaml

    name, equals, written = assignment.partition("=")
    try:
        value = load_yaml(written)
    except yaml.YAMLError as error:
        msg = f"--set {assignment!r}: {written!r} is no YAML value: {error}"
        raise GlulamError(msg) from error
    if not (equals and name):
        msg = f"--set {assignment!r}: write FIELD=VALUE, such as learning_rate=3e-4 or ppo.entropy_coef=0.02"
        raise GlulamError(msg)
    set_field(data, name, value, told=f"--set {name}")


def set_field(data: dict[str, Any], name: str, value: object, *, told: str) -> None:
    """Set `FIELD`, or `LOSS.FIELD` of a loss that is listed, in plain settings.

    Args:
        data: the settings, changed in place; a list of losses is replaced, not changed.
        name: of the field.
        value: plain, as a file holds it.
        told: where it stands, for the message.

    Raises:
        GlulamError: if there is no such loss.
    """
    loss, dot, field = name.partition(".")
    if dot:
        data["losses"] = list(_with_field(data.get("losses", ["ppo"]), loss, field, value, told))
    else:
        data[name] = value


def _with_field(listed: object, loss: str, field: str, value: object, told: str) -> Iterable[Any]:
    """Yield the losses with a field of one of them set."""
    entries = [listed] if isinstance(listed, str) else list(listed) if isinstance(listed, (list, tuple)) else []
    plain = [entry if isinstance(entry, dict) else {"loss": entry} for entry in entries]
    if loss not in [entry.get("loss") for entry in plain]:
        msg = f"{told}: no loss {loss!r} among {[entry.get('loss') for entry in plain]}"
        raise GlulamError(msg)
    for entry in plain:
        yield entry | {field: value} if entry.get("loss") == loss else entry


def _unknown(name: object, fields: Iterable[str]) -> str:
    near = get_close_matches(str(name), list(fields), n=1)
    return f"unknown field {name!r}: " + (f"write {near[0]!r}" if near else f"the fields are {', '.join(fields)}")
