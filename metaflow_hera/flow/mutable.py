"""A flow and its steps as mutators see and change them; the user's class is not touched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from metaflow_hera.errors import UsageError
from metaflow_hera.flow.decorator import Decorator, Refused
from metaflow_hera.flow.decorators import FLOW_DECORATORS, STEP_DECORATORS, problems_of
from metaflow_hera.flow.decospec import name_and_attributes
from metaflow_hera.flow.derived import derived, with_decorators
from metaflow_hera.flow.known import flow_kind_named, step_kind_named
from metaflow_hera.flow.launch import holds_open
from metaflow_hera.flow.parameters import Parameter, config_attributes, parameters_of
from metaflow_hera.flow.spec import FlowSpec
from metaflow_hera.flow.steps import steps_of
from metaflow_hera.flow.user_decorators import Applied, UserDecorator, is_mutator, path_of, written
from metaflow_hera.flow.user_rules import problems_of_use
from metaflow_hera.flow.written import FLOW_WRITTEN, flow_written, written_on
from metaflow_hera.graph.model import DecoratorSpec

Described = tuple[str, str, list[object], dict[str, object]]
"""A decorator: its name, its whole name, and all its arguments."""


class Draft:
    """What becomes of a flow class while its mutators have their turns."""

    def __init__(self, flow_class: type[FlowSpec], *, is_final: bool) -> None:
        self.flow_class = flow_class
        self.is_final = is_final
        """Whether it is the turn of `mutate`, when only decorators of steps can change."""
        self.methods = steps_of(flow_class)
        self.steps = {name: [list(written_on(method)[::-1])] for name, method in self.methods.items()}
        """The decorators of each step, the innermost first."""
        self.written = flow_written(flow_class)
        self.groups = [list(specs[::-1]) for _, specs in self.written]
        """Those of the flow itself, and of each of its bases."""
        self.attributes: dict[str, object] = {}
        """Parameters that were added, and what stands for removed ones."""

    @property
    def parameters(self) -> dict[str, Parameter]:
        found: dict[str, object] = {**parameters_of(self.flow_class), **self.attributes}
        return {name: value for name, value in found.items() if isinstance(value, Parameter)}

    def settled(self, **further: object) -> type[FlowSpec]:
        """The class with all changes, and with *further* attributes."""
        changed = {**self.attributes, **further}
        for name, (specs,) in self.steps.items():
            if _differ(specs[::-1], written_on(self.methods[name])):
                changed[name] = with_decorators(self.methods[name], tuple(specs[::-1]))
        groups = [(base, before, specs[::-1]) for (base, before), specs in zip(self.written, self.groups, strict=True)]
        if any(_differ(before, after) for _, before, after in groups):
            changed[FLOW_WRITTEN] = tuple((base, tuple(after)) for base, _, after in groups)
        return derived(self.flow_class, changed) if changed else self.flow_class


def _differ(before: Sequence[DecoratorSpec], after: Sequence[DecoratorSpec]) -> bool:
    """Whether they are not the very same; a mutator that had its turn is equal to what it was."""
    return len(before) != len(after) or any(one is not other for one, other in zip(before, after, strict=True))


class Removed:
    """Stands for a parameter of a base that the flow has no more; a step may set an artifact of its name."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, flow: Any, owner: type) -> Any:
        raise AttributeError(f"a mutator has removed the parameter {self.name!r} of {owner.__name__}")


class _Mutable:
    """What has decorators."""

    IGNORE: Final = 1
    ERROR: Final = 2
    OVERRIDE: Final = 3

    _ours: Mapping[str, type[Decorator]]
    _on_step: bool

    def __init__(self, draft: Draft, groups: list[list[DecoratorSpec]]) -> None:
        self._draft = draft
        self._groups = groups

    @property
    def decorator_specs(self) -> list[Described]:
        """All decorators and mutators, in the order in which Python applies them, each with all its attributes."""
        return [self._described(spec) for spec in self._specs]

    def has_decorator(self, deco_name: str) -> bool:
        return any(_is_called(spec, deco_name) for spec in self._specs)

    def get_decorator_specs(self, deco_name: str) -> list[Described]:
        """The decorators of that name; a list, since some may stand several times."""
        return [self._described(spec) for spec in self._specs if _is_called(spec, deco_name)]

    def add_decorator(
        self,
        deco_type: Any,
        deco_args: Sequence[object] | None = None,
        deco_kwargs: Mapping[str, object] | None = None,
        duplicates: int = IGNORE,
    ) -> Decorator | Refused | Applied | None:
        """Add a decorator, given as a class, as a name or as a text like those of ``--with``; return it.

        Where there is one of its name, *duplicates* decides: IGNORE returns None, ERROR raises, OVERRIDE replaces it.
        """
        spec = self._spec(deco_type, tuple(deco_args or ()), dict(deco_kwargs or {}))
        self._refuse_late(spec, "added")
        there = [other for other in self._specs if other.name == spec.name]
        repeats = spec.kind is None and self._ours[spec.name].repeats
        if there and duplicates == self.OVERRIDE:
            self._drop(there)
        elif there and not repeats and duplicates == self.IGNORE:
            return None
        elif there and not repeats:
            raise UsageError(f"there is @{spec.name} already; remove it first, or give duplicates=OVERRIDE")
        self._groups[0].append(spec)
        return Applied(spec) if spec.kind is not None else self._ours[spec.name](**spec.attributes)

    def remove_decorator(
        self, deco_name: str, deco_args: Sequence[object] | None = None, deco_kwargs: Mapping[str, object] | None = None
    ) -> bool:
        """Remove all decorators of that name, or those with exactly these arguments; say whether there were any."""
        found = [spec for spec in self._specs if _is_called(spec, deco_name)]
        if deco_args is not None or deco_kwargs is not None:
            found = [
                spec for spec in found if self._is_written_so(spec, list(deco_args or ()), dict(deco_kwargs or {}))
            ]
        for spec in found:
            self._refuse_late(spec, "removed")
        self._drop(found)
        return bool(found)

    @property
    def _specs(self) -> list[DecoratorSpec]:
        return [spec for group in reversed(self._groups) for spec in group]

    def _drop(self, specs: list[DecoratorSpec]) -> None:
        for group in self._groups:
            group[:] = [spec for spec in group if not any(spec is other for other in specs)]

    def _described(self, spec: DecoratorSpec) -> Described:
        attributes = {**self._defaults(spec), **spec.attributes}
        kind = spec.kind or self._ours.get(spec.name)
        return spec.name, path_of(kind) if kind else spec.name, list(spec.arguments), attributes

    def _defaults(self, spec: DecoratorSpec) -> dict[str, object]:
        if spec.kind is not None or spec.name not in self._ours:
            return {}
        defaults = self._ours[spec.name].defaults
        return {name: dict(value) if isinstance(value, Mapping) else value for name, value in defaults.items()}

    def _is_written_so(self, spec: DecoratorSpec, arguments: list[object], attributes: dict[str, object]) -> bool:
        whole = {**self._defaults(spec), **spec.attributes}
        return [*spec.arguments] == arguments and attributes in (whole, dict(spec.attributes))

    def _spec(self, given: Any, arguments: tuple[object, ...], attributes: dict[str, object]) -> DecoratorSpec:
        """What is to be added; `UsageError` with everything that is wrong with it."""
        kind = given
        if isinstance(given, str):
            name, written_attributes = name_and_attributes(given)
            kind, attributes = self._kind(name), {**written_attributes, **attributes}
        if isinstance(kind, type) and issubclass(kind, UserDecorator):
            spec = written(kind, arguments, attributes)
        elif isinstance(kind, type) and issubclass(kind, Decorator):
            positional = {"": arguments[0]} if arguments else {}
            spec = DecoratorSpec(name=kind.name, attributes={**positional, **attributes})
        elif isinstance(had := getattr(given, "spec", None), DecoratorSpec):
            spec = replace(had, arguments=(*had.arguments, *arguments), attributes={**had.attributes, **attributes})
        else:
            raise UsageError(
                f"add_decorator() takes a decorator, its name, or a text like 'retry:times=4', not {given!r}"
            )
        if problems := list(self._problems(spec)):
            raise UsageError("\n".join(problems))
        return spec

    def _problems(self, spec: DecoratorSpec) -> Iterator[str]:
        if spec.kind is not None:
            yield from problems_of_use(spec, on_step=self._on_step)
        elif spec.name not in self._ours:
            where = (
                "flows; write it above the class" if self._on_step else "steps; add it to each of mutable_flow.steps"
            )
            yield f"@{spec.name} is for {where}"
        elif not holds_open(spec.attributes):  # else the check of the flow tells, when expressions have values
            yield from problems_of(spec, self._ours)

    def _kind(self, name: str) -> Any:
        """The class of that name."""
        if name in self._ours:
            return self._ours[name]
        find = step_kind_named if self._on_step else flow_kind_named
        return find(name, self._draft.flow_class)

    def _refuse_late(self, spec: DecoratorSpec, what: str) -> None:
        if self._draft.is_final and (is_mutator(spec) or not self._on_step):
            raise UsageError(
                f"@{spec.name} can be {what} in pre_mutate only; in mutate, decorators of steps can change"
            )


class MutableStep(_Mutable):
    """A step, as a mutator sees and changes its decorators."""

    _ours = STEP_DECORATORS
    _on_step = True

    def __init__(self, draft: Draft, name: str) -> None:
        super().__init__(draft, draft.steps[name])
        self.name: Final = name

    @property
    def flow(self) -> MutableFlow:
        return MutableFlow(self._draft)

    def __repr__(self) -> str:
        return f"<step {self.name!r} of {self._draft.flow_class.__name__} for mutators>"


class MutableFlow(_Mutable):
    """A flow, as a mutator sees and changes its decorators, its steps and its parameters.

    Its configs are attributes, with the values that they have in this launch.
    """

    _ours = FLOW_DECORATORS
    _on_step = False

    def __init__(self, draft: Draft) -> None:
        super().__init__(draft, draft.groups)

    @property
    def configs(self) -> Iterator[tuple[str, Any]]:
        """Each config by its attribute, with its value."""
        names = config_attributes(self._draft.flow_class)
        return ((name, getattr(self, name)) for name in names)

    @property
    def parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Each parameter by its attribute."""
        return iter(self._draft.parameters.items())

    @property
    def steps(self) -> Iterator[tuple[str, MutableStep]]:
        """Each step by its name, in the order of the source."""
        return ((name, MutableStep(self._draft, name)) for name in self._draft.steps)

    def add_parameter(self, name: str, value: Parameter, overwrite: bool = False) -> None:
        """Add a parameter as the attribute *name*; with *overwrite* in place of what is there."""
        self._refuse_late_parameter("added")
        if not isinstance(value, Parameter):
            raise UsageError(f"add_parameter() takes a Parameter, not {value!r}")
        is_there = name in self._draft.attributes or hasattr(self._draft.flow_class, name)
        if is_there and not overwrite and not isinstance(self._draft.attributes.get(name), Removed):
            raise UsageError(f"the flow has {name!r} already; choose another name, or give overwrite=True")
        self._draft.attributes[name] = value

    def remove_parameter(self, parameter_name: str) -> bool:
        """Remove the parameter with that attribute; say whether there was one."""
        self._refuse_late_parameter("removed")
        is_there = parameter_name in self._draft.parameters
        if is_there:
            self._draft.attributes[parameter_name] = Removed()
        return is_there

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        flow_class = self._draft.flow_class
        if name in config_attributes(flow_class):
            return getattr(flow_class.__new__(flow_class), name)
        return getattr(flow_class, name)

    def __repr__(self) -> str:
        return f"<flow {self._draft.flow_class.__name__} for mutators>"

    def _refuse_late_parameter(self, what: str) -> None:
        if self._draft.is_final:
            raise UsageError(f"parameters can be {what} in pre_mutate only; in mutate, decorators of steps can change")


def _is_called(spec: DecoratorSpec, name: str) -> bool:
    """Whether *name* means it: its name, or, of the user's own, any end of its whole name."""
    return spec.name == name or (spec.kind is not None and f".{path_of(spec.kind)}".endswith(f".{name}"))
