"""Print every figure, as it is and as a ratio to its bare measure: ``python -m benchmarks [GROUP …] [--json]``."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

from benchmarks import containers, processes, values
from benchmarks.figure import Bench, Figure
from benchmarks.measure import one_start

GROUPS: dict[str, Callable[[Bench], Iterator[Figure]]] = {
    "import": processes.import_figures,
    "run": processes.run_figures,
    "compile": processes.compile_figures,
    "container": containers.figures,
    "values": values.figures,
}


def line(figure: Figure) -> str:
    relation = "≥" if figure.at_least else "≤"
    verdict = "" if figure.is_within else "  over budget"
    return (
        f"{figure.name:<52} {figure.value:>10.1f} {figure.unit:<6} {figure.ratio:>7.2f} of {figure.bare_name} "
        f"(budget {relation} {figure.budget:.2f}){verdict}"
    )


def _environment(folder: Path) -> dict[str, str]:
    """Ours, without settings, and as it is where this package is installed: with compiled modules kept."""
    foreign = ("MFHERA_", "METAFLOW_", "AWS_", "PYTHONDONTWRITEBYTECODE")
    plain = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    root = str(Path(__file__).parents[1])
    return plain | {"MFHERA_DATA_DIR": str(folder / "data"), "PYTHONPATH": root, "PYTHONPYCACHEPREFIX": str(folder)}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("groups", nargs="*", choices=[*GROUPS, []], metavar="GROUP", help=", ".join(GROUPS))
    parser.add_argument("--json", action="store_true", help="figures as JSON lines")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(folder=Path(folder), env=_environment(Path(folder)))
        if not arguments.json:
            print(f"one start of python -c pass: {one_start() * 1000:.1f} ms; Python {sys.version.split()[0]}")
        for group in arguments.groups or GROUPS:
            for figure in GROUPS[group](bench):
                print(
                    json.dumps(asdict(figure) | {"ratio": figure.ratio}) if arguments.json else line(figure), flush=True
                )


if __name__ == "__main__":
    main()
