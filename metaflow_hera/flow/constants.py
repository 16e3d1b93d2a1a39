"""Constants of a flow class: its plain attributes, which are the same in all steps of a run."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any

from metaflow_hera.flow.parameters import Given

if TYPE_CHECKING:
    from metaflow_hera.flow.task import TaskState


class Constant:
    """A class attribute that gives a step the value with which its run began, and anyone else that of the source."""

    def __init__(self, value: object) -> None:
        self.value = value

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, flow: Any, owner: type | None = None) -> Any:
        if flow is None:
            return self.value
        if self.name in vars(flow):
            return vars(flow)[self.name]
        fixed: Mapping[str, object] = {} if flow._mfhera_task is None else flow._mfhera_task.scope.fixed
        return fixed.get(self.name, self.value)

    def __set__(self, flow: Any, value: object) -> None:
        vars(flow)[self.name] = value


def fix_constants(cls: type) -> None:
    """Replace the constants of a class, and those that its mixins bring, by `Constant`."""
    for name, value in _plain_attributes(cls).items():
        if not isinstance(value, Constant):
            constant = Constant(value)
            constant.__set_name__(cls, name)
            setattr(cls, name, constant)


def constants_of(flow_class: type) -> dict[str, object]:
    """The constants of a flow class by name, those of its bases first."""
    return {
        name: value.value if isinstance(value, Constant) else value
        for name, value in _plain_attributes(flow_class).items()
    }


def is_fixed(cls: type, name: str, state: TaskState | None) -> bool:
    """Whether a step may not set the attribute: parameters always, constants while a task runs."""
    if state is not None and name in state.scope.fixed:
        return True
    attribute = next((vars(base)[name] for base in cls.__mro__ if name in vars(base)), None)
    return isinstance(attribute, Given) or (isinstance(attribute, Constant) and state is not None)


def _plain_attributes(cls: type) -> dict[str, object]:
    found: dict[str, object] = {}
    for base in reversed(cls.__mro__[:-1]):
        for name, value in vars(base).items():
            if _is_constant(name, value):
                found[name] = value
            else:
                found.pop(name, None)
    return found


def _is_constant(name: str, value: object) -> bool:
    """Not private, no class, no module, and nothing that behaves as a method, a property or a parameter."""
    if name.startswith("_") or isinstance(value, type | ModuleType):
        return False
    return isinstance(value, Constant) or not hasattr(type(value), "__get__")
