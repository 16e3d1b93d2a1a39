"""A wide foreach on a real Argo: how long it takes, how large its Workflow becomes, and what its controller needs.

``python -m benchmarks.cluster [--items 1000] [--max-workers 50]``, with a Kubernetes and a bucket in the settings, as
for `mfhera run --backend kubernetes`. The memory of the controller is told where that runs on this machine.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.figure import FLOWS
from metaflow_hera.backends.argo_objects import nodes_of
from metaflow_hera.backends.kubernetes_api import KubernetesApi
from metaflow_hera.deploy.choices import Choices
from metaflow_hera.deploy.one_off import submit_checked
from metaflow_hera.deploy.source import check_flow
from metaflow_hera.deploy.triggered import TriggeredRun
from metaflow_hera.naming import workflow_of_run
from metaflow_hera.settings import Settings

SECONDS = 15.0
"""Between two looks."""

FINAL = ("Succeeded", "Failed", "Error")


@dataclass(frozen=True, kw_only=True)
class Look:
    """What was seen of the run at one moment."""

    seconds: float
    """Since it was submitted."""
    phase: str
    nodes: int
    succeeded: int
    """Pods that did."""
    object_kib: float
    """The Workflow as JSON, as it is kept."""
    nodes_kib: float
    """Its nodes as JSON; as they are kept, they may be compressed."""
    compressed_kib: float
    controller_mib: float
    """Resident memory."""


def look(run: TriggeredRun, api: KubernetesApi, begun: float) -> Look:
    workflow = api.get("Workflow", workflow_of_run(run.run_id) or "") or {}
    status: Mapping[str, Any] = workflow.get("status") or {}
    nodes = nodes_of(status)
    phases = Counter(node.get("phase") for node in nodes.values() if node["type"] == "Pod")
    return Look(
        seconds=round(time.monotonic() - begun, 1),
        phase=str(status.get("phase") or "Pending"),
        nodes=len(nodes),
        succeeded=phases["Succeeded"],
        object_kib=_kib(workflow),
        nodes_kib=_kib(nodes),
        compressed_kib=round(len(status.get("compressedNodes") or "") / 1024, 1),
        controller_mib=controller_memory(),
    )


def _kib(value: object) -> float:
    return round(len(json.dumps(value, separators=(",", ":"))) / 1024, 1)


def controller_memory() -> float:
    """Of Argo's controller if it is a process of this machine, in MiB; else 0."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cmdline").read_bytes().split(b"\0")[0].endswith(b"/workflow-controller"):
                status = (process / "status").read_text()
                return round(int(status.partition("VmRSS:")[2].split()[0]) / 1024, 1)
        except (OSError, IndexError):
            continue  # it has ended meanwhile
    return 0.0


def looks(items: int, max_workers: int) -> Iterator[Look]:
    """The run from its beginning to its end, and a while after it."""
    settings = Settings.load({"backend": "kubernetes"})
    before = controller_memory()
    yield Look(
        seconds=0, phase="", nodes=0, succeeded=0, object_kib=0, nodes_kib=0, compressed_kib=0, controller_mib=before
    )
    checked = check_flow(FLOWS / "wide.py")
    run = submit_checked(checked, {"width": str(items)}, Choices(max_workers=max_workers), settings)
    begun, api = time.monotonic(), KubernetesApi(settings)
    ended = 0
    while ended < 4:
        time.sleep(SECONDS)
        seen = look(run, api, begun)
        ended += seen.phase in FINAL
        yield seen


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cluster", description=__doc__)
    parser.add_argument("--items", type=int, default=1000)
    parser.add_argument("--max-workers", type=int, default=50)
    arguments = parser.parse_args()
    every: list[Look] = []
    for seen in looks(arguments.items, arguments.max_workers):
        every.append(seen)
        print(json.dumps(asdict(seen)), flush=True)
    print(summary(every, arguments.items, arguments.max_workers))


def summary(every: list[Look], items: int, max_workers: int) -> str:
    first, last, peak = every[0], every[-1], max(each.controller_mib for each in every)
    end = next(each for each in every if each.phase in FINAL)
    nodes, compressed = (kib * 1024 / items for kib in (last.nodes_kib, last.compressed_kib))
    growth = (peak - first.controller_mib) * 1024 / items
    return "\n".join(
        (
            f"{items} items, {max_workers} at a time: {last.phase} after {end.seconds:.0f} s",
            f"Workflow: {last.nodes} nodes, {last.object_kib:.0f} KiB",
            f"of each item: {nodes:.0f} B of nodes, {compressed:.0f} B where they are compressed",
            f"controller: {first.controller_mib:.0f} MiB before, {peak:.0f} at most, {last.controller_mib:.0f} in the "
            f"end; {growth:.1f} KiB for each item",
        )
    )


if __name__ == "__main__":
    main()
