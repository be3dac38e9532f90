"""The last pass: advice from the lints of the plugins that a policy names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glulam._guard import PLUGIN_ERRORS, TooSlowError, guarded, import_limit, told
from glulam.faults import Fault, in_order

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glulam.catalog import Registry
    from glulam.hooks import Advice, Answer
    from glulam.resolver._draft import Draft
    from glulam.resolver._resolved import ResolvedPolicy

__all__ = ["lint"]


def lint(draft: Draft, resolved: ResolvedPolicy, registry: Registry) -> tuple[Fault, ...]:
    """Return the advice on a policy without faults; a lint that fails is told of, and stops nothing."""
    named = {layer.distribution for layer in resolved.all_layers}
    if not any(item.name in named for item in registry.distributions if _has_hooks(item)):
        return ()  # so that pluggy is not imported for nothing
    from glulam.hooks import call_hooks

    answers = call_hooks(registry, "glulam_lints", {name for name in named if name}, resolved=resolved)
    return in_order(fault for answer in answers for fault in _advice(draft, answer))


def _has_hooks(item: object) -> bool:
    return any(point.group == "hooks" for point in item.entry_points)  # type: ignore[attr-defined]


def _advice(draft: Draft, answer: Answer) -> Iterator[Fault]:
    from glulam.hooks import Advice

    if answer.error is not None:
        yield _failed(draft, answer, answer.error.message)
        return
    try:
        with guarded(import_limit()):
            items = list(answer.value or ())  # a generator runs the plugin's code
    except (*PLUGIN_ERRORS, TooSlowError) as error:
        yield _failed(draft, answer, f"{answer.entry.qualified}: its lints raised {told(error)}")
        return
    for item in items:
        if isinstance(item, Advice):
            yield _placed(draft, answer, item)
        else:
            yield _failed(draft, answer, f"{answer.entry.qualified}: its lints gave {item!r}, no Advice")


def _placed(draft: Draft, answer: Answer, advice: Advice) -> Fault:
    layer = next((item for item in draft.layers if item.name == advice.layer), None)
    field = (advice.field,) if layer is not None and advice.field else ()
    place = draft.document.place()
    if layer is not None:
        place = layer.fault(advice.code, advice.message, advice.remedy, *field).place
    return Fault(
        code=advice.code, message=advice.message, remedy=advice.remedy, place=place, layer=advice.layer,
        distribution=answer.entry.owner, severity="advice", evidence=advice.evidence,
    )  # fmt: skip


def _failed(draft: Draft, answer: Answer, message: str) -> Fault:
    remedy = f"tell the authors of {answer.entry.distribution}"
    place, owner = draft.document.place(), answer.entry.owner
    return Fault(code="GL203", message=message, remedy=remedy, place=place, distribution=owner, severity="advice")
