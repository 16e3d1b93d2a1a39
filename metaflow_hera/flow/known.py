"""From a name to the decorator of the user's own that is meant: one that is loaded, or one that a path leads to."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module

from metaflow_hera.errors import UsageError
from metaflow_hera.flow.decorator import Decorator
from metaflow_hera.flow.decorators import FLOW_DECORATORS, STEP_DECORATORS
from metaflow_hera.flow.user_decorators import (
    FlowMutator,
    StepMutator,
    UserDecorator,
    UserStepDecorator,
    kinds,
    path_of,
)


def step_kind_named(name: str, flow_class: type | None) -> type[UserDecorator]:
    """The step decorator or mutator called ``Class``, ``module.Class`` or any end of that.

    Of several it is the one that the module of *flow_class* has; `UsageError` if there is none, or still several.
    """
    return _named(name, _loaded((UserStepDecorator, StepMutator)), flow_class, STEP_DECORATORS)


def flow_kind_named(name: str, flow_class: type | None) -> type[UserDecorator]:
    """The same for a mutator of flows."""
    return _named(name, _loaded((FlowMutator,)), flow_class, FLOW_DECORATORS)


def _loaded(bases: tuple[type[UserDecorator], ...]) -> dict[str, type[UserDecorator]]:
    return {path_of(kind): kind for kind in kinds() if issubclass(kind, bases)}


def _named(
    name: str,
    loaded: Mapping[str, type[UserDecorator]],
    flow_class: type | None,
    ours: Mapping[str, type[Decorator]],
) -> type[UserDecorator]:
    if name in loaded:
        return loaded[name]
    found = [kind for path, kind in loaded.items() if path.endswith(f".{name}")]
    if len(found) > 1:
        found = [kind for kind in found if kind in _reached(flow_class)] or found
    if len(found) > 1:
        raise UsageError(f"{name!r} may be {' or '.join(map(path_of, found))}; write the one that is meant")
    if found:
        return found[0]
    if imported := _imported(name):
        return imported
    raise UsageError(_unknown(name, loaded, ours))


def _imported(name: str) -> type[UserDecorator] | None:
    """What a path leads to; its module is imported now."""
    module, _, attribute = name.rpartition(".")
    if not module or not all(part.isidentifier() for part in name.split(".")):
        return None
    try:
        found = getattr(import_module(module), attribute, None)
    except Exception as error:  # the user's module may raise anything
        if isinstance(error, ModuleNotFoundError) and error.name and f"{module}.".startswith(f"{error.name}."):
            return None
        reason = f"{type(error).__name__}: {error}"
        raise UsageError(f"{name!r}: its module cannot be imported: {reason}") from error
    return found if isinstance(found, type) and issubclass(found, UserDecorator) else None


def _reached(flow_class: type | None) -> set[object]:
    """The classes that the module of the flow has a name for."""
    module = None if flow_class is None else sys.modules.get(flow_class.__module__)
    return {value for value in vars(module).values() if isinstance(value, type)} if module else set()


def _unknown(name: str, loaded: Mapping[str, type[UserDecorator]], ours: Mapping[str, type[Decorator]]) -> str:
    from difflib import get_close_matches  # for this mistake only

    what = "step decorator" if ours is STEP_DECORATORS else "decorator of flows"
    supported = [each for each in ours if ours[each].is_supported]
    near = get_close_matches(name, [*supported, *(kind.__name__ for kind in loaded.values()), *loaded], n=1, cutoff=0.7)
    meant = f", did you mean {near[0]!r}?" if near else ";"
    own = f", and of your own {', '.join(sorted(loaded))}" if loaded else ""
    return f"there is no {what} {name!r}{meant} there are {', '.join(supported)}{own}"
