"""The committed manifests of the examples: ``python tests/goldens.py`` writes them anew."""

from __future__ import annotations

import json
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from metaflow_hera import compat
from metaflow_hera.argo.manifest import manifests
from metaflow_hera.argo.yaml_text import dump
from metaflow_hera.deploy.choices import Choices
from metaflow_hera.deploy.compilation import compile_flow, in_first_namespace
from metaflow_hera.deploy.source import check_flow
from metaflow_hera.settings import Settings, Source

EXAMPLES = Path(__file__).parents[1] / "examples"


@dataclass(frozen=True)
class Example:
    """A flow's file below `EXAMPLES`, and the decorators of ``--with`` that its manifest has."""

    file: str
    with_: tuple[str, ...] = ()

    @property
    def flow(self) -> Path:
        return EXAMPLES / self.file

    @property
    def manifest(self) -> Path:
        return self.flow.with_suffix(".yaml")


ALL = (
    Example("seed/parameter_flow.py", with_=("retry",)),
    Example("seed/deployment_info_flow.py"),
    Example("seed/hourly_flow.py"),
    Example("training/training_flow.py"),
    Example("reliability/reliability_flow.py"),
    Example("events/orders_flow.py"),
    Example("events/report_flow.py"),
)


def manifest_of(example: Example, folder: Path) -> str:
    """The manifests as YAML, with a word for each thing that differs between machines, days and versions of code."""
    values = {"data_dir": str(folder), "backend": "embedded", "image": "python:3.13", "user": "somebody"}
    events = {"event_source": "webhook", "event_name": "metaflow", "sensor_service_account": "sensor"}
    settings = Settings.resolve([Source("golden", values | events)])
    flow = check_flow(example.flow, with_=example.with_)
    compiled = compile_flow(flow, in_first_namespace(flow, Choices(), settings), settings)
    text = json.dumps(manifests(compiled.plan))
    known = {compiled.package.key: "CODE", compiled.store.uri: "DATASTORE", compiled.version: "VERSION"}
    for value, word in known.items():
        text = text.replace(value, word)
    return dump(json.loads(re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+", "TIME", text)))


def main() -> None:
    compat.install()
    for example in ALL:
        with tempfile.TemporaryDirectory() as folder:
            example.manifest.write_text(manifest_of(example, Path(folder)), encoding="utf-8")
        print(example.manifest)


if __name__ == "__main__":
    main()
