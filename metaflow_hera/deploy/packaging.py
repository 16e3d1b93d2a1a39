"""The code package of a flow as a deployment would make it, without a deployment."""

from __future__ import annotations

from pathlib import Path

from metaflow_hera.deploy.compilation import package_flow
from metaflow_hera.deploy.source import CheckedFlow
from metaflow_hera.errors import UsageError
from metaflow_hera.package import CodePackage
from metaflow_hera.settings import Settings


def save_package(flow: CheckedFlow, settings: Settings, file: str) -> CodePackage:
    """Write the package, a zip archive, into a file."""
    package = package_flow(flow, settings)
    try:
        Path(file).write_bytes(package.data)
    except OSError as error:
        raise UsageError(f"{file}: cannot be written: {error.strerror}; name another file") from error
    return package
