"""What every decorator is: a frozen record of what was written, kept on the step or the class that it stands on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import FunctionType
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, dataclass_transform

from metaflow_hera.flow import checks
from metaflow_hera.flow.written import WRITTEN
from metaflow_hera.graph.model import DecoratorSpec

T = TypeVar("T")


@dataclass_transform(kw_only_default=True, frozen_default=True)
class Decorator:
    """A frozen record of keyword-only attributes, usable with and without parentheses on a function or a class.

    Not made by `dataclasses`, whose generated code would cost every start of a container several milliseconds.
    """

    name: ClassVar[str]
    defaults: ClassVar[Mapping[str, object]]
    repeats: ClassVar[bool] = False
    """Whether several may stand on one step or class."""
    is_supported: ClassVar[bool] = True
    """Whether it is worth to be named to somebody who looks for a decorator."""

    def __init_subclass__(cls) -> None:
        cls.defaults = {attribute: vars(cls)[attribute] for attribute in cls.__annotations__}
        cls.name = cls.__name__

    def __new__(cls, *target: Any, **attributes: Any) -> Any:
        if not target:
            return Refused(cls, attributes) if attributes.keys() - cls.defaults.keys() else super().__new__(cls)
        if len(target) == 1 and not attributes and isinstance(target[0], FunctionType | type):
            return cls()(target[0])
        return Refused(cls, {"": target[0], **attributes})

    if not TYPE_CHECKING:

        def __init__(self, **attributes: object) -> None:
            given = {name: _number(value, self.defaults[name]) for name, value in attributes.items()}
            vars(self).update({**self.defaults, **given})

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"@{type(self).name} cannot be changed once it is written")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(other) == vars(self)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self.spec.attributes.items())
        return f"{type(self).name}({given})"

    def __call__(self, target: T) -> T:
        """Write this decorator down on *target*."""
        written = vars(target).get(WRITTEN, ())
        setattr(target, WRITTEN, (*written, self.spec))
        return target

    @property
    def spec(self) -> DecoratorSpec:
        """The name and the attributes that are not at their defaults."""
        given = {name: value for name, value in vars(self).items() if value != self.defaults[name]}
        return DecoratorSpec(name=type(self).name, attributes=given)

    def problems(self) -> Iterator[str]:
        """What is wrong with the values of the attributes, as ends of a sentence that begins with the decorator."""
        return iter(())

    def problems_in(self, flow_class: type) -> Iterator[str]:
        """What is wrong with it on that very flow, if nothing is wrong with it by itself."""
        return iter(())


class Refused:
    """A decorator that was written with attributes it does not have; the check of the flow tells."""

    def __init__(self, kind: type[Decorator], attributes: Mapping[str, object]) -> None:
        self.spec = DecoratorSpec(name=kind.name, attributes=attributes)

    __call__ = Decorator.__call__


class StepDecorator(Decorator):
    """A decorator of a step; stands above ``@step``."""


class FlowDecorator(Decorator):
    """A decorator of a flow class."""


def _number(value: object, default: object) -> object:
    """``"3"`` as 3 where a number belongs, as the peer reads it; anything else as it is."""
    if isinstance(value, str) and isinstance(default, int) and not isinstance(default, bool):
        number = checks.as_number(value)
        if number is not None:
            return int(number) if number == int(number) else number
    return value
