"""A flow class as its launch settles it: with the values of its configs in place of all expressions of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from types import FunctionType
from typing import Any

from metaflow_hera.errors import ConfigError, FlowError, Problem
from metaflow_hera.flow.config_value import wrapped
from metaflow_hera.flow.configs import SettledConfig, configs_of
from metaflow_hera.flow.constants import Constant, constants_of
from metaflow_hera.flow.delayed import Names, resolved
from metaflow_hera.flow.derived import derived, with_decorators
from metaflow_hera.flow.launch import Launch, holds_open
from metaflow_hera.flow.parameters import Parameter, parameters_of
from metaflow_hera.flow.source import file_of
from metaflow_hera.flow.spec import FlowSpec
from metaflow_hera.flow.steps import original, steps_of
from metaflow_hera.flow.written import FLOW_WRITTEN, flow_written, written_on
from metaflow_hera.graph.model import DecoratorSpec


def config_names(flow_class: type[FlowSpec], launch: Launch) -> Names:
    """The values of a flow's configs as expressions see them; `ConfigError` for those without one."""
    configs = configs_of(flow_class)
    if missing := [spec.name for spec in configs.values() if spec.name not in launch.configs]:
        raise ConfigError(f"{flow_class.__name__} was launched without its configs {', '.join(missing)}")
    values = {attribute: wrapped(launch.configs[spec.name]) for attribute, spec in configs.items()}
    return values | {spec.name: values[attribute] for attribute, spec in configs.items()}


def configured(flow_class: type[FlowSpec], launch: Launch) -> type[FlowSpec]:
    """The class with the values that its configs have in a launch."""
    configs = configs_of(flow_class)
    values = {attribute: SettledConfig(spec, launch.configs.get(spec.name)) for attribute, spec in configs.items()}
    return derived(flow_class, values) if values else flow_class


def settled(flow_class: type[FlowSpec], launch: Launch) -> type[FlowSpec]:
    """The class without expressions; `FlowError` has every one that has no value, with where it was written."""
    changes = _Settling(flow_class, config_names(flow_class, launch)).changes()
    return derived(flow_class, changes) if changes else flow_class


class _Settling:
    """Puts the values of configs in the place of expressions, and gathers what is wrong with those."""

    def __init__(self, flow_class: type[FlowSpec], names: Names) -> None:
        self.flow_class = flow_class
        self.names = names
        self.problems: list[Problem] = []

    def changes(self) -> dict[str, object]:
        """The attributes of the class that held expressions, without them."""
        found = dict((*self._parameters(), *self._constants(), *self._steps(), *self._decorators()))
        if self.problems:
            raise FlowError(self.problems)
        return found

    def _parameters(self) -> Iterator[tuple[str, Parameter]]:
        for attribute, parameter in parameters_of(self.flow_class).items():
            if holds_open(parameter.written):
                written = self._resolved(parameter.written, f"parameter {parameter.name!r}")
                if written is not None:
                    new = type(parameter)(parameter.name, **written)
                    new.attribute = attribute
                    yield attribute, new

    def _constants(self) -> Iterator[tuple[str, Constant]]:
        for name, value in constants_of(self.flow_class).items():
            if holds_open(value):
                constant = Constant(self._resolved(value, f"constant {name!r}"))
                constant.__set_name__(self.flow_class, name)
                yield name, constant

    def _steps(self) -> Iterator[tuple[str, FunctionType]]:
        for name, step in steps_of(self.flow_class).items():
            specs = written_on(step)
            if any(holds_open(spec.attributes) for spec in specs):
                code = original(step).__code__
                place = (code.co_filename, code.co_firstlineno)
                yield name, with_decorators(step, tuple(self._spec(spec, f"step {name!r}: ", place) for spec in specs))

    def _decorators(self) -> Iterator[tuple[str, object]]:
        written = flow_written(self.flow_class)
        if any(holds_open(spec.attributes) for _, specs in written for spec in specs):
            place = (file_of(self.flow_class), None)
            yield (
                FLOW_WRITTEN,
                tuple((base, tuple(self._spec(spec, "", place) for spec in specs)) for base, specs in written),
            )

    def _spec(self, spec: DecoratorSpec, where: str, place: tuple[str | None, int | None]) -> DecoratorSpec:
        attributes = self._resolved(spec.attributes, f"{where}@{spec.name}")
        if attributes is None or all(isinstance(name, str) for name in attributes):
            return replace(spec, attributes=attributes or {})
        self.problems.append(Problem(f"{where}@{spec.name}: a config that is unpacked has texts as its keys", *place))
        return spec

    def _resolved(self, value: Any, where: str) -> Any:
        """*value* without expressions, None where one has no value."""
        try:
            return resolved(value, self.names)
        except FlowError as error:
            self.problems.extend(problem._replace(text=f"{where}: {problem.text}") for problem in error.problems)
            return None
