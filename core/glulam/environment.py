"""What a policy knows of a world: `EnvSpec`, without torch."""

from __future__ import annotations

import json
from collections import Counter
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import attrs

from glulam._errors import GlulamError
from glulam.faults import PolicyError
from glulam.inputs import INPUTS, OPTIONAL_INPUTS, TOKENS
from glulam.layouts import ActionSpec, BoxLayout, Feature, TokenLayout  # noqa: TC001 - attrs evaluates the types

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["EnvSpec"]

VIEW_LIMIT = 16  # a packed location byte holds a row and a column of 4 bits each
BYTE_LIMIT = 255


@attrs.frozen(kw_only=True)
class EnvSpec:
    """A world as a policy sees it: observations, names of features, tags and actions, agents, autoreset.

    An observation is a row of tokens (`tokens`, with a view and features) or an array of numbers (`box`).

    Attributes:
        name: what messages call it.
        tokens: the layout of its tokens, in a world of tokens.
        box: the layout of its numbers, in any other.
        view_height: rows of the view, in cells; 0 in a world of numbers.
        view_width: columns of the view, in cells.
        features: what a token can tell, with ids.
        tags: the names that stand for a tag's index, in order.
        actions: what an agent can do.
        num_agents: agents in one environment; each is a row.
        optional_inputs: keys that the world offers beyond the five that every world has: `action_mask`; `active`, which
            says whose agents are in the game; ...
        autoreset: what follows the end of an episode; see `Environment`.

    Raises:
        GlulamError: if the spec contradicts itself (a view that a location byte cannot hold, an id or name
            used twice, no actions), naming the offending entry.
    """

    name: str
    tokens: TokenLayout | None = None
    box: BoxLayout | None = None
    view_height: int = 0
    view_width: int = 0
    features: tuple[Feature, ...] = ()
    tags: tuple[str, ...] = ()
    actions: ActionSpec
    num_agents: int = 1
    optional_inputs: tuple[str, ...] = ()
    autoreset: Literal["same_step", "next_step", "disabled"] = "same_step"

    def __attrs_post_init__(self) -> None:
        found = next(self._contradictions(), None)
        if found is not None:
            msg = f"environment {self.name!r}: {found}"
            raise GlulamError(msg)

    def _bad_sizes(self) -> Iterator[str]:
        if (self.tokens is None) == (self.box is None):
            both = "neither tokens nor" if self.box is None else "both tokens and"
            yield f"an observation is a row of tokens or a box of numbers; there is {both} a box"
        if self.box is not None:
            yield from self._bad_box(self.box)
            return
        if not 0 < min(self.view_height, self.view_width) <= max(self.view_height, self.view_width) <= VIEW_LIMIT:
            size = f"{self.view_height} x {self.view_width}"
            yield f"a view of {size} does not fit the packed location byte (at most {VIEW_LIMIT} x {VIEW_LIMIT})"
        sizes = {
            "tokens.count": self.num_tokens,
            "tokens.columns": self.token_columns,
            "num_agents": self.num_agents,
        }
        yield from (f"{what} is {number}; there is at least 1" for what, number in sizes.items() if number < 1)

    def _bad_box(self, box: BoxLayout) -> Iterator[str]:
        if not all(isinstance(size, int) and size >= 1 for size in box.shape):
            yield f"box.shape is {list(box.shape)}; each size is a whole number of at least 1"
            return
        if box.dtype not in box.DTYPES:
            yield f"box.dtype is {box.dtype!r}; write one of {', '.join(box.DTYPES)}"
        if self.features or self.tags or self.view_height or self.view_width:
            yield "features, tags and a view belong to tokens; a box of numbers has none"
        if self.num_agents < 1:
            yield f"num_agents is {self.num_agents}; there is at least 1"

    def _contradictions(self) -> Iterator[str]:
        yield from self._bad_sizes()
        yield from self.actions.contradictions()
        yield from self._bad_features()
        for what, values in (
            ("feature name", [feature.name for feature in self.features]),
            ("tag", self.tags),
            ("action", self.actions.names),
        ):
            for value, times in Counter(values).items():
                if times > 1:
                    yield f"{what} {value!r} appears twice"
        for key in self.optional_inputs:
            if key not in OPTIONAL_INPUTS:
                yield f"unknown optional input {key!r}; there are: {', '.join(OPTIONAL_INPUTS)}"
        if "active" in self.optional_inputs and self.autoreset != "same_step":
            yield f"agents that come and go ('active') need autoreset same_step, and it is {self.autoreset}"

    def _bad_features(self) -> Iterator[str]:
        if len(self.features) > BYTE_LIMIT + 1:
            yield f"it has {len(self.features)} features; a token's byte tells {BYTE_LIMIT + 1} apart at most"
            return
        owners: dict[int, str] = {}
        for feature in self.features:
            if not 0 <= feature.id <= BYTE_LIMIT:
                yield f"feature {feature.name!r} has id {feature.id}; a token's byte holds 0 to {BYTE_LIMIT}"
            owner = owners.setdefault(feature.id, feature.name)
            if owner != feature.name:
                yield f"features {owner!r} and {feature.name!r} both claim id {feature.id}; give each its own"

    @property
    def token_layout(self) -> TokenLayout:
        """How observation rows are laid out.

        Raises:
            GlulamError: if this world shows numbers and no tokens.
        """
        if self.tokens is None:
            msg = f"environment {self.name!r} shows no tokens but numbers: use another observation shaper"
            raise GlulamError(msg)
        return self.tokens

    @property
    def num_tokens(self) -> int:
        """Tokens in a full observation row."""
        return self.tokens.count if self.tokens else 0

    @property
    def token_columns(self) -> int:
        """Bytes of one token."""
        return self.tokens.columns if self.tokens else 0

    @property
    def box_size(self) -> int:
        """Numbers in an observation; 0 where it is a row of tokens."""
        return prod(self.box.shape) if self.box else 0

    @property
    def num_features(self) -> int:
        """Observation features."""
        return len(self.features)

    @property
    def num_tags(self) -> int:
        """Tags that objects can carry."""
        return len(self.tags)

    @property
    def num_actions(self) -> int:
        """Actions an agent can choose from; options of all choices together, or numbers, in other kinds."""
        return len(self.actions.names)

    @property
    def num_choices(self) -> int:
        """Choices that an agent makes in a step."""
        return max(1, len(self.actions.choices))

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """All names that a token can mean, numeric features by id first, then tags and actions after their feature."""
        ordered = sorted(self.features, key=lambda feature: feature.id)
        names = [feature.name for feature in ordered if feature.values == "number"]
        for feature in ordered:
            values = {"tag": self.tags, "action": self.actions.names, "number": ()}[feature.values]
            names += [f"{feature.name}:{value}" for value in values]
        return tuple(names)

    @property
    def vocabulary_size(self) -> int:
        """Number of names in `vocabulary`."""
        return len(self.vocabulary)

    @property
    def inputs(self) -> dict[str, tuple[str, str]]:
        """Keys that the world writes, each with its dims (without the batch) and dtype."""
        observation = {"env_obs": (" ".join(map(str, self.box.shape)), self.box.dtype)} if self.box else TOKENS
        offered = {key: OPTIONAL_INPUTS[key] for key in self.optional_inputs}
        if "last_actions" in offered:
            offered["last_actions"] = (" ".join(map(str, self.actions.shape)), self.actions.dtype)
        return INPUTS | observation | offered

    @property
    def names(self) -> frozenset[str]:
        """Names of features, tags and actions."""
        return frozenset((*(feature.name for feature in self.features), *self.tags, *self.actions.names))

    def renamed(self, aliases: Mapping[str, str]) -> Self:
        """Return the same world with some of its features, tags and actions under other names.

        Names that it does not have are ignored.

        Raises:
            GlulamError: if two things would have one name.
        """
        if not aliases:
            return self
        try:
            return self._renamed(aliases)
        except GlulamError as error:
            used = ", ".join(f"{alias} = {name}" for alias, name in aliases.items() if alias in self.names)
            msg = f"{error} (with the aliases {used})"
            raise GlulamError(msg) from error

    def _renamed(self, aliases: Mapping[str, str]) -> Self:
        return attrs.evolve(
            self,
            features=tuple(attrs.evolve(item, name=aliases.get(item.name, item.name)) for item in self.features),
            tags=tuple(aliases.get(tag, tag) for tag in self.tags),
            actions=attrs.evolve(self.actions, names=[aliases.get(name, name) for name in self.actions.names]),
        )

    def dim(self, name: str) -> int:
        """Return the size that the dim `env.NAME` stands for; a number stands for itself.

        Raises:
            GlulamError: if there is no such size.
        """
        if name.isdecimal():
            return int(name)
        if name in (TOKEN_DIMS if self.box else BOX_DIMS):
            shown = "numbers and no tokens" if self.box else "tokens and no numbers"
            msg = f"environment {self.name!r} shows {shown}, so it has no env.{name}"
            raise GlulamError(msg)
        value = getattr(self, name, None) if name in ENV_DIMS else None
        if not isinstance(value, int):
            msg = f"unknown environment dim 'env.{name}'; there are: {', '.join(f'env.{d}' for d in ENV_DIMS)}"
            raise GlulamError(msg)
        return value

    def obs_meta(self) -> dict[str, Any]:
        """Return the spec as a plain dict, what an observation shaper's `instantiate(obs_meta)` takes."""
        from glulam.structure import plain_value

        return dict(plain_value(self))

    def to_json(self) -> str:
        """Return the spec as one line of JSON with sorted keys."""
        return json.dumps(self.obs_meta(), sort_keys=True)

    @classmethod
    def from_dict(cls, data: dict[str, Any], *, where: str = "environment spec") -> Self:
        """Build a spec from what `obs_meta` returned or a YAML file holds.

        Raises:
            GlulamError: if a field is missing, unknown or of the wrong type; `where` opens the message.
        """
        from glulam.structure import reason, structure_strictly

        try:
            return structure_strictly(data, cls)  # type: ignore[no-any-return]
        except (BaseExceptionGroup, TypeError) as error:
            msg = f"{where}: {reason(error)}"
            raise GlulamError(msg) from error

    @classmethod
    def from_yaml(cls, path: str | Path) -> Self:
        """Read a spec from a YAML file, with no environment installed.

        Raises:
            PolicyError: if the file cannot be read (GL101, GL105, GL107).
            GlulamError: if it does not hold a spec.
        """
        from glulam.document import read_document

        document = read_document(Path(path))
        if document.faults:
            raise PolicyError(document.faults)
        if not isinstance(document.value, dict):
            msg = f"{path} holds no environment spec but {type(document.value).__name__}"
            raise GlulamError(msg)
        return cls.from_dict(document.value, where=str(path))


TOKEN_DIMS = (
    "num_tokens",
    "token_columns",
    "view_height",
    "view_width",
    "num_features",
    "num_tags",
    "vocabulary_size",
)
BOX_DIMS = ("box_size",)
ENV_DIMS = (*TOKEN_DIMS, *BOX_DIMS, "num_actions", "num_choices", "num_agents")
