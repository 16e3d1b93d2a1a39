"""What users derive their own decorators and mutators from. Written on a step or a class they are data, as ours are.

Nothing is refused while a class body runs: `flow.user_rules` tells what is wrong, with all other problems of the flow.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from enum import IntFlag
from types import FunctionType
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from metaflow_hera.errors import UsageError
from metaflow_hera.flow.decorators import FLOW_DECORATORS, STEP_DECORATORS
from metaflow_hera.flow.written import write_down
from metaflow_hera.graph.model import DecoratorSpec

if TYPE_CHECKING:
    from metaflow_hera.flow.mutable import MutableFlow, MutableStep

T = TypeVar("T")

USER_SKIP_STEP: Mapping[str, object] = {}
"""What a decorator gives to skip its step and go on as the source says; with entries, what ``self.next`` gets, too."""


class ContentType(IntFlag):
    """What a file from `add_to_package` is to the peer; every file lies here where its name says."""

    USER_CONTENT = 1
    CODE_CONTENT = 2
    MODULE_CONTENT = 4
    OTHER_CONTENT = 8
    ALL_CONTENT = 15


class Applied:
    """A decorator of the user's own with its arguments, to be written above a step or a class."""

    def __init__(self, spec: DecoratorSpec) -> None:
        self.spec = spec

    def __call__(self, target: T) -> T:
        """Write it down on *target*."""
        return write_down(target, self.spec)

    def __repr__(self) -> str:
        named = (f"{name}={value!r}" for name, value in self.spec.attributes.items())
        return f"{self.spec.name}({', '.join((*map(repr, self.spec.arguments), *named))})"


class UserDecorator:
    """Usable with and without parentheses; its objects are made when it acts, and get its arguments by `init`."""

    def __new__(cls, *arguments: Any, **attributes: Any) -> Any:
        if len(arguments) == 1 and not attributes and isinstance(arguments[0], FunctionType | type):
            return Applied(written(cls))(arguments[0])
        return Applied(written(cls, arguments, attributes))

    def init(self) -> None:
        """Take the arguments that it was written with; stands for ``__init__``."""

    def add_to_package(self) -> Iterable[Any]:
        """Files as ``(path, name in the package)`` and modules that its flows need where they run."""
        return ()


class UserStepDecorator(UserDecorator):
    """Acts around a step while it runs; its attributes are keyword arguments."""

    skip_step: bool | Mapping[str, object] | None = None
    """Set in `pre_step`: True or a dictionary of arguments for ``self.next`` skips the step."""

    def pre_step(self, step_name: str, flow: Any, inputs: Any = None) -> Callable[..., Any] | None:
        """Act before the step; a function is called instead of it, with the same arguments."""
        return None

    def post_step(self, step_name: str, flow: Any, exception: Exception | None = None) -> Any:
        """Act after the step; what is returned is raised, or, with None, *exception* is forgotten.

        ``(exception or None, arguments)`` gives arguments for ``self.next`` as well.
        """
        return exception


class GeneratorDecorator(UserStepDecorator):
    """The base of what `user_step_decorator` makes of a generator function."""

    function: ClassVar[Callable[..., Generator[Any, None, Any]]]

    def init(self, **attributes: Any) -> None:
        self.attributes = attributes

    def begun(self, step_name: str, flow: Any, inputs: Any) -> Generator[Any, None, Any]:
        attributes = (self.attributes,) if takes_attributes(type(self).function) else ()
        return type(self).function(step_name, flow, inputs, *attributes)


def user_step_decorator(function: Callable[..., Generator[Any, None, Any]]) -> type[GeneratorDecorator]:
    """Make a decorator of a generator: what stands before its one ``yield`` runs before the step, the rest after it.

    It gets the step's name, the flow, the inputs of a join or None, and, if it takes them, its own attributes.
    """
    if not isinstance(function, FunctionType):
        raise TypeError(f"@user_step_decorator makes a generator function a decorator; it was put on {function!r}")
    namespace = {
        "__module__": function.__module__,
        "__qualname__": function.__qualname__,
        "__doc__": function.__doc__,
        "function": staticmethod(function),
    }
    return type(function.__name__, (GeneratorDecorator,), namespace)


class StepMutator(UserDecorator):
    """Changes the decorators of a step when its flow is started or deployed."""

    def pre_mutate(self, mutable_step: MutableStep) -> None:
        """Add or remove decorators and mutators of the step, before expressions of configs have their values."""

    def mutate(self, mutable_step: MutableStep) -> None:
        """Add or remove decorators of the step, those of ``--with`` being there, too."""


class FlowMutator(UserDecorator):
    """Changes the parameters of a flow and the decorators of it and its steps when it is started or deployed."""

    def pre_mutate(self, mutable_flow: MutableFlow) -> None:
        """Add or remove parameters, decorators and mutators, before expressions of configs have their values."""

    def mutate(self, mutable_flow: MutableFlow) -> None:
        """Add or remove decorators of the steps, those of ``--with`` being there, too."""


class package_suffixes(FlowMutator):  # noqa: N801  (decorators have the peer's names)
    """Files with these suffixes belong to the code package of the flow, too."""

    def init(self, *suffixes: str) -> None:
        if wrong := [suffix for suffix in suffixes if not isinstance(suffix, str)]:
            raise UsageError(f"a suffix is a text such as '.csv', not {wrong[0]!r}")


def written(
    kind: type[UserDecorator], arguments: Iterable[object] = (), attributes: Mapping[str, object] | None = None
) -> DecoratorSpec:
    """A decorator of that kind as written down; one that is called like one of ours goes by its whole name."""
    is_taken = kind.__name__ in STEP_DECORATORS or kind.__name__ in FLOW_DECORATORS
    name = path_of(kind) if is_taken else kind.__name__
    return DecoratorSpec(name=name, arguments=tuple(arguments), attributes=dict(attributes or {}), kind=kind)


def path_of(kind: type) -> str:
    """``module.Class``"""
    return f"{kind.__module__}.{kind.__qualname__}"


def made(spec: DecoratorSpec) -> Any:
    """The object of a decorator or mutator of the user's own, with its arguments; `init` may raise anything."""
    decorator = object.__new__(spec.kind)
    decorator.init(*spec.arguments, **spec.attributes)
    return decorator


def takes_attributes(function: Callable[..., Any]) -> bool:
    """Whether a generator has a fourth argument, for the attributes of its decorator."""
    code = getattr(function, "__code__", None)
    return code is not None and (code.co_argcount > 3 or bool(code.co_flags & 0x04))


def is_step_decorator(spec: DecoratorSpec) -> bool:
    """Whether it acts while a step runs, and is the user's own."""
    return spec.kind is not None and issubclass(spec.kind, UserStepDecorator)


def is_mutator(spec: DecoratorSpec) -> bool:
    return spec.kind is not None and issubclass(spec.kind, StepMutator | FlowMutator)


def kinds() -> Iterator[type[UserDecorator]]:
    """All decorators and mutators of users that this process knows, each module's newest ones."""
    found: dict[str, type[UserDecorator]] = {}
    below: list[type[UserDecorator]] = [UserStepDecorator, StepMutator, FlowMutator]
    while below:
        for kind in below.pop().__subclasses__():
            found[path_of(kind)] = kind
            below.append(kind)
    ours = __name__.partition(".")[0]
    return (kind for kind in found.values() if kind.__module__.partition(".")[0] != ours)
