"""What a flow is launched with: from the options of a command, the environment, and the flow's own defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from metaflow_hera.errors import ConfigError
from metaflow_hera.flow.launch import Launch
from metaflow_hera.flow.parameters import config_attributes
from metaflow_hera.flow.written import flow_written


@dataclass(frozen=True, kw_only=True)
class LaunchOptions:
    """What whoever launches a flow says of it, as far as it changes the flow itself."""

    config: tuple[tuple[str, str | Path], ...] = ()
    """Names of configs, each with its file."""
    config_value: tuple[tuple[str, object], ...] = ()
    """Names of configs, each with its value: a text as in a file, or what such a text would give."""
    branch: str | None = None
    production: bool = False
    origin: Mapping[str, object] = field(default_factory=dict)
    """Values of configs of an earlier run, by name: they are taken as they are, and nothing is read."""

    @classmethod
    def of(
        cls,
        config: Mapping[str, str | Path] | None,
        config_value: Mapping[str, object] | None,
        branch: str | None = None,
        production: bool = False,
    ) -> Self:
        """The same from Python: files and values of configs by name, and where a flow of a project runs."""
        return cls(
            config=tuple((config or {}).items()),
            config_value=tuple((config_value or {}).items()),
            branch=branch,
            production=production,
        )


def launch_of(flow_class: type, options: LaunchOptions) -> Launch:
    """The launch of a flow; `ConfigError` with everything that is wrong with its configs."""
    launch = Launch(branch=options.branch, production=options.production)
    if any(spec.name == "project" for _, specs in flow_written(flow_class) for spec in specs):
        from metaflow_hera.flow.project import branch_of  # few flows are of a project

        branch, production = branch_of(options.branch, options.production)
        launch = Launch(branch=branch, production=production)
    if config_attributes(flow_class):
        from metaflow_hera.deploy.config_values import config_values  # for flows with configs only

        return launch._replace(configs=config_values(flow_class, options))
    if unknown := [name for name, _ in (*options.config, *options.config_value)]:
        raise ConfigError(f"{flow_class.__name__} has no config {unknown[0]!r}; it has none at all")
    return launch
