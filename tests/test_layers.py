"""The rooms and the direction of their imports, as docs/architecture.md draws them."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "metaflow_hera"

# A room may import rooms of earlier lines only, and its own modules.
LAYERS = [
    {"errors"},
    {"naming", "command", "config_files", "event_names", "event_queue", "setting_fields"},
    {"default_settings", "peer_settings"},
    {"settings", "deployment_names", "labels", "config_parsers"},
    {"store", "vaults", "graph.model", "production_names"},
    {"flow", "records", "drawing", "graph.as_json", "graph.syntax", "graph.balance"},
    {"graph.info"},
    {"graph.parse", "graph.check", "package", "client"},
    {"cards", "datatools", "integrations", "notifications"},
    {"runtime", "plan", "graph.view"},
    {"argo", "engine"},
    {"backends"},
    {"deploy"},
    {"cli"},
    {"api"},
]
RANKS = {room: rank for rank, rooms in enumerate(LAYERS) for room in rooms}
# Steps upwards, each in one function: calling a flow class in its own file is its command line; and a flow that looks
# at its own graph has its source read; and an event for the embedded engine starts that if it does not run.
UPWARDS = {("flow/spec.py", "cli"), ("flow/spec.py", "graph.view"), ("integrations.py", "backends")}
# The package's own name space and the alias `metaflow` hand out names of every room, each on first use.
FACADES = {"__init__.py", "compat.py", "__main__.py"}

HEAVY = {
    "boto3",
    "botocore",
    "click",
    "cronsim",
    "hera",
    "lightkube",
    "pydantic",
    "requests",
    "rich",
    "sqlite3",
    "yaml",
}
MAY_IMPORT = {
    "hera": {"argo", "backends"},
    "yaml": {"argo", "backends", "config_parsers"},
    "click": {"api", "cli"},
    "rich": {"cli"},
    "boto3": {"datatools", "store", "vaults"},
    "botocore": {"datatools", "store", "vaults"},
    "sqlite3": {"engine"},
    "cronsim": {"argo", "engine"},
    "lightkube": {"backends"},
}


def modules() -> list[Path]:
    return [path for path in sorted(ROOT.rglob("*.py")) if path.relative_to(ROOT).as_posix() not in FACADES]


def room(dotted: str) -> str | None:
    """The room of a module named below the package: ``graph.parse``, ``store``; None for a package of rooms itself."""
    parts = dotted.split(".")
    if ".".join(parts[:2]) in RANKS:
        return ".".join(parts[:2])
    return parts[0] if parts[0] in RANKS else None


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Each imported module and whether it is imported for types alone."""
    tree = ast.parse(path.read_text())
    for_types = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node in for_types) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            assert node.module
            yield node.module, node in for_types


@pytest.mark.parametrize("path", [*modules()], ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_room_imports_rooms_below_it_only(path: Path) -> None:
    here = path.relative_to(ROOT).as_posix()
    dotted = here.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    own = room(dotted)
    if own is None:
        assert dotted == "graph", f"{here} is in no room: add it to LAYERS and to docs/architecture.md"
        return
    for module, _ in imports(path):
        package, _, inside = module.partition(".")
        if package != "metaflow_hera" or not inside:
            continue
        other = room(inside)
        assert other is not None, f"{here} imports {module}, which is in no room"
        allowed = other == own or RANKS[other] < RANKS[own]
        assert allowed or (here, other) in UPWARDS, f"{here} imports {module}, which is not below it"


@pytest.mark.parametrize("path", [*modules()], ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_heavy_package_is_imported_in_its_own_rooms_only(path: Path) -> None:
    own = path.relative_to(ROOT).parts[0].removesuffix(".py")
    for module, for_types in imports(path):
        allowed = MAY_IMPORT.get(module.partition(".")[0])
        assert for_types or allowed is None or own in allowed, f"{path} imports {module}"


@pytest.mark.parametrize(
    "code",
    [
        "from metaflow_hera import FlowSpec, Parameter, current, retry, step",
        "import metaflow_hera.runtime.__main__",
    ],
)
def test_what_a_container_imports_stays_light(code: str) -> None:
    command = [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"]
    loaded = set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    assert not HEAVY & loaded
