"""@project: flows that belong together, each deployed once in production and once in every branch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from metaflow_hera.errors import UsageError
from metaflow_hera.flow import checks
from metaflow_hera.flow.decorator import FlowDecorator
from metaflow_hera.flow.decorators import flow_decorators
from metaflow_hera.flow.derived import derived
from metaflow_hera.flow.launch import Launch
from metaflow_hera.flow.parameters import READERS
from metaflow_hera.flow.spec import FlowSpec
from metaflow_hera.flow.written import FLOW_WRITTEN, flow_written
from metaflow_hera.graph.model import DecoratorSpec
from metaflow_hera.settings import from_environment

BRANCH_TAG = "project_branch:"
"""Begins the system tag with the branch of a run."""

_WORD = re.compile(r"[a-z0-9_]{1,128}\Z")


class project(FlowDecorator):  # noqa: N801  (decorators have the peer's names)
    """Give the flow a deployment for each branch of its project; *branch* and *production* say which, as options do."""

    name: str | None = None  # type: ignore[assignment, misc]
    """Of the project; what the decorator itself is called, its class says."""
    branch: str | None = None
    production: bool = False

    def problems(self) -> Iterator[str]:
        if self.name is None:
            yield "needs a name; write @project(name='my_project')"
        else:
            yield from _word("name", self.name)
        if self.branch is not None:
            yield from _word("branch", self.branch)
        yield from checks.truth("production", self.production)


def _word(what: str, value: object) -> Iterator[str]:
    if not isinstance(value, str) or not _WORD.match(value):
        yield f"{what} must be 1 to 128 lower-case letters, digits and '_', not {value!r}"


class Project(NamedTuple):
    """The project and the branch in which a flow runs."""

    name: str
    branch: str
    """``prod``, ``prod.X``, ``test.X`` or ``user.NAME``."""
    is_user_branch: bool
    is_production: bool

    @property
    def system_tags(self) -> tuple[str, ...]:
        return (f"project:{self.name}", f"{BRANCH_TAG}{self.branch}")

    def flow_name(self, flow: str) -> str:
        """The name of a flow by which others of the project tell it from the same flow elsewhere."""
        return f"{self.name}.{self.branch}.{flow}"

    def facts(self, flow: str) -> dict[str, object]:
        """What `current` says of it."""
        return {
            "project_name": self.name,
            "branch_name": self.branch,
            "is_user_branch": self.is_user_branch,
            "is_production": self.is_production,
            "project_flow_name": self.flow_name(flow),
        }


def project_of(decorators: Iterable[DecoratorSpec], user: str) -> Project | None:
    """The project and branch of a checked flow that has these, as its launch left it; *user* is who launched it."""
    spec = next((spec for spec in decorators if spec.name == project.name), None)
    if spec is None:
        return None
    attributes: Any = spec.attributes
    written = project(**attributes)
    branch, production = written.branch, written.production
    if branch:
        name = f"prod.{branch}" if production else f"test.{branch}"
    else:
        name = "prod" if production else f"user.{user}"
    return Project(str(written.name), name, is_user_branch=not (branch or production), is_production=production)


def branch_of(branch: str | None, production: bool) -> tuple[str | None, bool]:
    """What is launched: the options, or what the environment says in their place."""
    told = from_environment("BRANCH")
    return branch or (told[1] if told else None), production or _is_production()


def _is_production() -> bool:
    told = from_environment("PRODUCTION")
    if told is None:
        return False
    try:
        return bool(READERS[bool](told[1]))
    except ValueError as error:
        raise UsageError(f"{told[0]} is {told[1]!r}; set it to true or false") from error


def in_branch(flow_class: type[FlowSpec], launch: Launch) -> type[FlowSpec]:
    """The class with the launch's branch in its @project.

    `UsageError` if it has no @project, or one that says otherwise.
    """
    written = next((each for each in flow_decorators(flow_class) if isinstance(each, project)), None)
    if problems := list(_problems(flow_class, written, launch)):
        raise UsageError("\n".join(problems))
    assert written is not None, "a flow without @project is a problem"
    chosen = project(
        name=written.name,
        branch=written.branch if launch.branch is None else launch.branch,
        production=written.production or launch.production,
    )
    specs = tuple(
        (base, tuple(chosen.spec if spec.name == project.name else spec for spec in written))
        for base, written in flow_written(flow_class)
    )
    return derived(flow_class, {FLOW_WRITTEN: specs})


def _problems(flow_class: type, written: project | None, launch: Launch) -> Iterator[str]:
    given = "--production" if launch.branch is None else "--branch"
    if written is None:
        yield f"{given} is for flows of a project; write @project(name='…') above class {flow_class.__name__}"
        return
    if launch.branch is not None:
        yield from (f"--branch: {text}" for text in _word("a branch", launch.branch))
        if written.branch not in (None, launch.branch):
            yield f"--branch {launch.branch}: {flow_class.__name__} has @project(branch={written.branch!r}); keep one"
