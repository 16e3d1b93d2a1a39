"""Metaflow-style flows in Python, translated through Hera into Argo Workflows.

The public names, each imported when it is first asked for, so that a container pays for nothing that it does not use.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType

TYPE_CHECKING = False  # what type checkers take for True; `typing` itself is not needed here
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from metaflow_hera.api.deployer import Deployer
    from metaflow_hera.api.notebook import NBDeployer, NBRunner
    from metaflow_hera.api.runner import Runner
    from metaflow_hera.client import (
        DataArtifact,
        Flow,
        Metaflow,
        Run,
        Step,
        Task,
        default_metadata,
        default_namespace,
        get_metadata,
        get_namespace,
        inspect_spin,
        metadata,
        namespace,
    )
    from metaflow_hera.config_parsers import (
        conda_environment_yml_parser,
        pyproject_toml_parser,
        requirements_txt_parser,
        yaml_parser,
    )
    from metaflow_hera.datatools.multicore import parallel_imap_unordered, parallel_map
    from metaflow_hera.datatools.profiling import profile
    from metaflow_hera.datatools.s3 import S3
    from metaflow_hera.deploy import DeployedFlow, deploy, run, to_workflow_template
    from metaflow_hera.deploy.displays import draw
    from metaflow_hera.deploy.resume import resume
    from metaflow_hera.deploy.spin import spin
    from metaflow_hera.flow.cards import card
    from metaflow_hera.flow.configs import Config
    from metaflow_hera.flow.current import current
    from metaflow_hera.flow.decorators import (
        catch,
        environment,
        kubernetes,
        parallel,
        resources,
        retry,
        schedule,
        timeout,
    )
    from metaflow_hera.flow.delayed import config_expr
    from metaflow_hera.flow.exit_hooks import exit_hook
    from metaflow_hera.flow.include_file import IncludeFile
    from metaflow_hera.flow.mutable import MutableFlow, MutableStep
    from metaflow_hera.flow.parameters import JSONType, Parameter
    from metaflow_hera.flow.project import project
    from metaflow_hera.flow.secrets import secrets
    from metaflow_hera.flow.spec import FlowSpec
    from metaflow_hera.flow.steps import step
    from metaflow_hera.flow.triggers import namespaced_event_name, trigger, trigger_on_finish
    from metaflow_hera.flow.unsupported import batch, conda, conda_base, pypi, pypi_base
    from metaflow_hera.flow.user_decorators import (
        USER_SKIP_STEP,
        FlowMutator,
        StepMutator,
        UserStepDecorator,
        package_suffixes,
        user_step_decorator,
    )
    from metaflow_hera.vaults import get_secret

__version__ = "0.1.0"

_HOMES = {
    "api.deployer": ("Deployer",),
    "api.notebook": ("NBDeployer", "NBRunner"),
    "api.runner": ("Runner",),
    "client": (
        "DataArtifact",
        "Flow",
        "Metaflow",
        "Run",
        "Step",
        "Task",
        "default_metadata",
        "default_namespace",
        "get_metadata",
        "get_namespace",
        "inspect_spin",
        "metadata",
        "namespace",
    ),
    "datatools.multicore": ("parallel_imap_unordered", "parallel_map"),
    "datatools.profiling": ("profile",),
    "datatools.s3": ("S3",),
    "deploy": ("DeployedFlow", "deploy", "run", "to_workflow_template"),
    "deploy.displays": ("draw",),
    "deploy.resume": ("resume",),
    "deploy.spin": ("spin",),
    "config_parsers": (
        "conda_environment_yml_parser",
        "pyproject_toml_parser",
        "requirements_txt_parser",
        "yaml_parser",
    ),
    "flow.cards": ("card",),
    "flow.configs": ("Config",),
    "flow.delayed": ("config_expr",),
    "flow.include_file": ("IncludeFile",),
    "flow.current": ("current",),
    "flow.decorators": ("catch", "environment", "kubernetes", "parallel", "resources", "retry", "schedule", "timeout"),
    "flow.exit_hooks": ("exit_hook",),
    "flow.mutable": ("MutableFlow", "MutableStep"),
    "flow.parameters": ("JSONType", "Parameter"),
    "flow.project": ("project",),
    "flow.secrets": ("secrets",),
    "flow.spec": ("FlowSpec",),
    "flow.steps": ("step",),
    "flow.triggers": ("namespaced_event_name", "trigger", "trigger_on_finish"),
    "flow.unsupported": ("batch", "conda", "conda_base", "pypi", "pypi_base"),
    "flow.user_decorators": (
        "USER_SKIP_STEP",
        "FlowMutator",
        "StepMutator",
        "UserStepDecorator",
        "package_suffixes",
        "user_step_decorator",
    ),
    "vaults": ("get_secret",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "S3",
    "USER_SKIP_STEP",
    "Config",
    "DataArtifact",
    "DeployedFlow",
    "Deployer",
    "Flow",
    "FlowMutator",
    "FlowSpec",
    "IncludeFile",
    "JSONType",
    "Metaflow",
    "MutableFlow",
    "MutableStep",
    "NBDeployer",
    "NBRunner",
    "Parameter",
    "Run",
    "Runner",
    "Step",
    "StepMutator",
    "Task",
    "UserStepDecorator",
    "__version__",
    "batch",
    "card",
    "catch",
    "conda",
    "conda_base",
    "conda_environment_yml_parser",
    "config_expr",
    "current",
    "default_metadata",
    "default_namespace",
    "deploy",
    "draw",
    "environment",
    "exit_hook",
    "get_metadata",
    "get_namespace",
    "get_secret",
    "inspect_spin",
    "kubernetes",
    "metadata",
    "namespace",
    "namespaced_event_name",
    "package_suffixes",
    "parallel",
    "parallel_imap_unordered",
    "parallel_map",
    "profile",
    "project",
    "pypi",
    "pypi_base",
    "pyproject_toml_parser",
    "requirements_txt_parser",
    "resources",
    "resume",
    "retry",
    "run",
    "schedule",
    "secrets",
    "spin",
    "step",
    "timeout",
    "to_workflow_template",
    "trigger",
    "trigger_on_finish",
    "user_step_decorator",
    "yaml_parser",
]


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    room = f"{__name__}.{home}"
    try:
        value = getattr(import_module(room), name)
    except ModuleNotFoundError as error:
        if not f"{room}.".startswith(f"{error.name}."):
            raise
        value = _absent(name)
    globals()[name] = value
    return value


def _absent(name: str) -> Any:
    """Stands for a function that a task's container has not got; a flow's file may still import it."""

    def absent(*_: object, **__: object) -> NoReturn:
        from metaflow_hera.errors import BackendError

        raise BackendError(f"metaflow_hera.{name}() is not for tasks; call it where the flow is deployed")

    return absent


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """Lets ``deploy`` be the function that users import, whoever imported the room of that name before."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOME_OF and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
