"""`NBRunner` and `NBDeployer`: the same for a class of a notebook, which becomes a file first."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Any

from metaflow_hera.api.deployer import Deployer
from metaflow_hera.api.runner import Runner
from metaflow_hera.client import Run
from metaflow_hera.deploy.cells import module_text
from metaflow_hera.flow.source import file_of
from metaflow_hera.flow.spec import FlowSpec


class FlowFolder:
    """A folder with the file of a flow, and with links to what lies beside its notebook: its modules and data."""

    def __init__(self, flow: type[FlowSpec], beside: Path) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="mfhera-notebook-"))
        self.clean = weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self.file = self._folder / f"{flow.__name__.lower()}.py"
        self.file.write_text(module_text(flow), encoding="utf-8")
        for entry in beside.iterdir():
            if not (entry.name.startswith(".") or entry.name == self.file.name):
                (self._folder / entry.name).symlink_to(entry.absolute())


def _flow_file(flow: type[FlowSpec], base_dir: str | os.PathLike[str] | None) -> tuple[str, FlowFolder | None]:
    """The file of a class, written now for one of a notebook."""
    if not (isinstance(flow, type) and issubclass(flow, FlowSpec)):
        raise TypeError(f"{flow!r} is no flow: give a class that extends FlowSpec; a file is for Runner and Deployer")
    if (file := file_of(flow)) is not None:
        return f"{file}:{flow.__name__}", None
    folder = FlowFolder(flow, Path(base_dir or "."))
    return str(folder.file), folder


class NBRunner(Runner):
    """Runs a class of a notebook, in a process of its own, in *base_dir* or the notebook's own folder."""

    def __init__(
        self,
        flow: type[FlowSpec],
        show_output: bool = True,
        profile: str | None = None,
        env: dict[str, str] | None = None,
        base_dir: str | os.PathLike[str] | None = None,
        **keywords: Any,
    ) -> None:
        file, self._folder = _flow_file(flow, base_dir)
        super().__init__(file, show_output, profile, env, base_dir, **keywords)

    def nbrun(self, **kwargs: object) -> Run:
        """Run the flow to its end and return the run."""
        with self.run(**kwargs) as executing:
            return executing.run

    def nbresume(self, **kwargs: object) -> Run:
        """Go on with a run in a new one, and return that."""
        with self.resume(**kwargs) as executing:
            return executing.run

    def cleanup(self) -> None:
        super().cleanup()
        if self._folder:
            self._folder.clean()


class NBDeployer(Deployer):
    """Deploys a class of a notebook; its modules are those of *base_dir* or of the notebook's own folder."""

    def __init__(
        self,
        flow: type[FlowSpec],
        show_output: bool = True,
        profile: str | None = None,
        env: dict[str, str] | None = None,
        base_dir: str | os.PathLike[str] | None = None,
        **keywords: Any,
    ) -> None:
        file, self._folder = _flow_file(flow, base_dir)
        super().__init__(file, show_output, profile, env, base_dir, **keywords)

    def cleanup(self) -> None:
        super().cleanup()
        if self._folder:
            self._folder.clean()
