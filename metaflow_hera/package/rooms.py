"""The part of this package that travels with every flow: what a container imports, and nothing above it."""

from __future__ import annotations

import importlib.util
import marshal
from collections.abc import Iterable, Iterator
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType

import metaflow_hera
from metaflow_hera.flow.launch import LAUNCH_FILE
from metaflow_hera.package.archive import Member

OWN_FOLDER = ".mfhera"
"""A hidden folder, which the user's files never are."""

LAUNCH = f"{OWN_FOLDER}/{LAUNCH_FILE}"
"""What the flow was launched with, if anything: `flow.launch.Launch`."""

FILES = f"{OWN_FOLDER}/files"
"""The list of the user's files, each with its mode: ``644 lib/model.py``."""

_SHIPPED = {
    "__init__.py",
    "cards",
    "client",
    "command.py",
    "compat.py",
    "config_files.py",
    "datatools",
    "default_settings.py",
    "drawing",
    "errors.py",
    "event_names.py",
    "event_queue.py",
    "flow",
    "graph",
    "integrations.py",
    "naming.py",
    "notifications",
    "peer_settings.py",
    "py.typed",
    "records",
    "runtime",
    "setting_fields.py",
    "settings.py",
    "store",
    "vaults",
}
# Up to this version of the format, equal code gives equal bytes, whatever else the process has in memory.
_MARSHAL_VERSION = 2
# PEP 552: the bytecode is valid whatever the source's time of modification is.
_UNCHECKED = (0b01).to_bytes(4, "little")


def own_members() -> Iterator[Member]:
    """The shipped modules, each with its bytecode for Python of the version that runs this.

    The images of steps mostly have that version, and compiling is most of what the start of a container would cost.
    """
    root = Path(metaflow_hera.__file__).parent
    for file in sorted((*root.rglob("*.py"), root / "py.typed")):
        name = file.relative_to(root).as_posix()
        if name.partition("/")[0] in _SHIPPED and file.is_file():
            source = file.read_bytes()
            yield Member(f"{OWN_FOLDER}/metaflow_hera/{name}", source)
            if file.suffix == ".py":
                yield from _bytecode(file, name, source)


def file_list(members: Iterable[Member]) -> Member:
    """The member `FILES`."""
    lines = sorted(f"{member.mode:o} {member.name}" for member in members)
    return Member(FILES, "\n".join(lines).encode())


def _bytecode(file: Path, name: str, source: bytes) -> Iterator[Member]:
    module = f"metaflow_hera/{name}"
    code = SourceFileLoader(module, str(file)).get_code(module)
    assert code is not None
    try:
        data = marshal.dumps(_moved(code, module), _MARSHAL_VERSION)
    except ValueError:  # a slice as a constant, since Python 3.14: there, a container compiles the source
        return
    header = importlib.util.MAGIC_NUMBER + _UNCHECKED + importlib.util.source_hash(source)
    yield Member(f"{OWN_FOLDER}/{module}c", header + data)


def _moved(code: CodeType, file: str) -> CodeType:
    """*code* as if its source lay in *file*, in every function."""
    constants = tuple(_moved(each, file) if isinstance(each, CodeType) else each for each in code.co_consts)
    return code.replace(co_filename=file, co_consts=constants)
