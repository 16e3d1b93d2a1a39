"""Decorators of the peer's for which we have nothing: they can be written, and the check of the flow tells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from metaflow_hera.flow.decorator import FlowDecorator, StepDecorator

_IMAGE = (
    "is not supported; bake the packages into an image for @kubernetes(image=…), and install them here for local runs"
)


def _unless_disabled(decorator: Any) -> Iterator[str]:
    if decorator.disabled is not True:
        yield f"{_IMAGE}, or switch it off with disabled=True"


class conda(StepDecorator):  # noqa: N801  (decorators have the peer's names)
    """Refused, unless it is disabled."""

    is_supported = False

    packages: Any = None
    libraries: Any = None
    python: Any = None
    disabled: bool | None = None

    problems = _unless_disabled


class pypi(StepDecorator):  # noqa: N801
    """Refused, unless it is disabled."""

    is_supported = False

    packages: Any = None
    python: Any = None
    disabled: bool | None = None

    problems = _unless_disabled


class conda_base(FlowDecorator):  # noqa: N801
    """Refused, unless it is disabled."""

    is_supported = False

    packages: Any = None
    libraries: Any = None
    python: Any = None
    disabled: bool | None = None

    problems = _unless_disabled


class pypi_base(FlowDecorator):  # noqa: N801
    """Refused, unless it is disabled."""

    is_supported = False

    packages: Any = None
    python: Any = None
    disabled: bool | None = None

    problems = _unless_disabled


class batch(StepDecorator):  # noqa: N801
    """Refused: steps run in Kubernetes."""

    is_supported = False

    cpu: Any = None
    gpu: Any = None
    memory: Any = None
    image: Any = None
    queue: Any = None
    iam_role: Any = None
    execution_role: Any = None
    shared_memory: Any = None
    max_swap: Any = None
    swappiness: Any = None
    inferentia: Any = None
    trainium: Any = None
    efa: Any = None
    host_volumes: Any = None
    efs_volumes: Any = None
    use_tmpfs: Any = None
    aws_batch_tags: Any = None
    tmpfs_tempdir: Any = None
    tmpfs_size: Any = None
    tmpfs_path: Any = None
    ephemeral_storage: Any = None
    log_driver: Any = None
    log_options: Any = None
    executable: Any = None
    privileged: Any = None

    def problems(self) -> Iterator[str]:
        yield "is not supported: steps run in Kubernetes; say what they need with @kubernetes or @resources"
