"""What plugins may do beside offering things by name: hooks, carried by pluggy, each plugin behind a guard.

A distribution names a module under the entry-point group `glulam.hooks`; functions in it that are decorated with
`glulam.hookimpl` and named as below are called.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

import attrs
import pluggy

from glulam._guard import PLUGIN_ERRORS, TooSlowError, guarded, import_limit, told
from glulam.catalog import PluginError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from glulam.catalog import Entry, Registry
    from glulam.environment import EnvSpec
    from glulam.policy import Policy
    from glulam.resolver import ResolvedPolicy

__all__ = ["Advice", "Answer", "call_hooks", "hookimpl"]

PROJECT = "glulam"
hookimpl = pluggy.HookimplMarker(PROJECT)
"""Decorates a function of a plug-in's hook module that is named as a hook; pluggy's marker."""

_spec = pluggy.HookspecMarker(PROJECT)
CODE = re.compile(r"GL6\d\d")


@attrs.frozen(kw_only=True)
class Advice:
    """What a lint says of a policy that could be built: it stops nothing, unless the user asks for `--strict`.

    Args:
        code: `GL601` to `GL699`; a page for it comes from `glulam_explanations`.
        message: what was found.
        remedy: what to type instead.
        layer: the name of the layer, or None for the policy as a whole.
        field: the layer's field that it is about.
        evidence: where the measurements that it rests on are told, such as a page's address; shown with the advice.
    """

    code: str = attrs.field(validator=attrs.validators.matches_re(CODE))
    message: str
    remedy: str
    layer: str | None = None
    field: str | None = None
    evidence: str | None = None


@_spec
def glulam_lints(resolved: ResolvedPolicy) -> Iterable[Advice]:  # type: ignore[empty-body]
    """Give advice on a policy without faults. Only distributions that the policy names are asked."""


@_spec
def glulam_explanations() -> Mapping[str, str]:  # type: ignore[empty-body]
    """Return the pages of this plugin's codes, Markdown by code, for `glulam explain`."""


@_spec(firstresult=True)
def glulam_environment_spec(environment: object) -> EnvSpec | None:
    """Describe an environment object, or return None for one that is another plugin's."""


@_spec
def glulam_policy_assembled(policy: Policy) -> None:
    """See a policy that was just built and initialised. Only distributions that the policy names are told."""


@attrs.frozen
class Answer:
    """What one plugin's hook returned, or the error of a plugin that failed."""

    entry: Entry
    value: Any = None
    error: PluginError | None = None


def call_hooks(
    registry: Registry,
    hook: str,
    distributions: Iterable[str] | None = None,
    **arguments: Any,  # noqa: ANN401
) -> Iterator[Answer]:
    """Call a hook of each plugin in turn, in the order of their names; one that fails hurts no other.

    Args:
        registry: what is installed.
        hook: its name.
        distributions: those to ask; all when None.
        arguments: what the hook is given.
    """
    wanted = None if distributions is None else set(distributions)
    for name in sorted(registry.hooks):
        for entry in registry.hooks.claims(name):
            if wanted is None or entry.distribution in wanted:
                yield from _call(entry, hook, arguments)


def _call(entry: Entry, hook: str, arguments: dict[str, Any]) -> Iterator[Answer]:
    try:
        caller = getattr(_manager(entry).hook, hook)
        implementations = caller.get_hookimpls()
        if not implementations:
            return
        with guarded(import_limit()):
            values = caller(**arguments)
    except PluginError as error:
        yield Answer(entry, error=error)
    except (*PLUGIN_ERRORS, TooSlowError) as error:
        found = f"{entry.qualified} (version {entry.version}): its {hook} raised {told(error)}"
        yield Answer(entry, error=PluginError("GL203", found, f"tell the authors of {entry.distribution}"))
    else:
        for value in values if isinstance(values, list) else [values]:
            yield Answer(entry, value)


def check_hooks(entry: Entry) -> None:
    """Load a plugin's hooks.

    Raises:
        PluginError: if they do not import, or are none that glulam calls.
    """
    _manager(entry)


def _manager(entry: Entry) -> pluggy.PluginManager:
    """Return a manager of one plugin: pluggy's own loader drops duplicates and dies of one bad plugin."""
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(sys.modules[__name__])
    try:
        manager.register(entry.load(), name=entry.qualified)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        found = f"{entry.qualified} (version {entry.version}) has a hook that glulam does not call so: {error}"
        code = "GL203"
        raise PluginError(code, found, f"tell the authors of {entry.distribution}") from error
    return manager
