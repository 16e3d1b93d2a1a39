"""@project: flows that belong together, each deployed once in production and once in every branch."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from metaflow_hera.errors import UsageError
from metaflow_hera.flow import checks
from metaflow_hera.flow.decorators import FlowDecorator, flow_decorators
from metaflow_hera.flow.launch import Launch
from metaflow_hera.flow.written import flow_written
from metaflow_hera.graph.model import DecoratorSpec

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
        return (f"project:{self.name}", f"project_branch:{self.branch}")

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


def project_of(flow_class: type, user: str) -> Project | None:
    """The project and branch of a checked flow, as its launch left it; *user* is who launched it."""
    written = next((each for each in flow_decorators(flow_class) if isinstance(each, project)), None)
    if written is None:
        return None
    branch, production = written.branch, written.production
    if branch:
        name = f"prod.{branch}" if production else f"test.{branch}"
    else:
        name = "prod" if production else f"user.{user}"
    return Project(str(written.name), name, is_user_branch=not (branch or production), is_production=production)


def launched(flow_class: type, launch: Launch) -> tuple[tuple[type, tuple[DecoratorSpec, ...]], ...] | None:
    """What `flow_written` gives, with the launch's branch in @project; None if the launch has none.

    `UsageError` if the flow has no @project, or one that says otherwise.
    """
    if launch.branch is None and not launch.production:
        return None
    written = next((each for each in flow_decorators(flow_class) if isinstance(each, project)), None)
    if problems := list(_problems(flow_class, written, launch)):
        raise UsageError("\n".join(problems))
    assert written is not None, "a flow without @project is a problem"
    chosen = project(
        name=written.name,
        branch=written.branch if launch.branch is None else launch.branch,
        production=written.production or launch.production,
    ).spec
    return tuple(
        (base, tuple(chosen if spec.name == project.name else spec for spec in specs))
        for base, specs in flow_written(flow_class)
    )


def _problems(flow_class: type, written: project | None, launch: Launch) -> Iterator[str]:
    given = "--production" if launch.branch is None else "--branch"
    if written is None:
        yield f"{given} is for flows of a project; write @project(name='…') above class {flow_class.__name__}"
        return
    if launch.branch is not None:
        yield from (f"--branch: {text}" for text in _word("a branch", launch.branch))
        if written.branch not in (None, launch.branch):
            yield f"--branch {launch.branch}: {flow_class.__name__} has @project(branch={written.branch!r}); keep one"
