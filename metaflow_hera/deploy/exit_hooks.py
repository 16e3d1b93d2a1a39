"""What @exit_hook asks for after a run on this machine: each function in a process of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

from metaflow_hera.client import Run
from metaflow_hera.flow.exit_hooks import hooks_of
from metaflow_hera.runtime.exit_hooks import call_hook
from metaflow_hera.store import Store


def call_exit_hooks(flow_class: type, path: str, store: Store, *, succeeded: bool) -> Iterator[str]:
    """Call them one after the other; gives a sentence for each that failed, which changes nothing for the run."""
    for hook in hooks_of(flow_class, succeeded=succeeded):
        if problem := call_hook(hook, lambda: Run(path, store=store, namespace_check=False), _print_to_stderr):
            yield problem


def _print_to_stderr() -> None:
    """The stdout of a command is for its result."""
    os.dup2(2, 1)
    sys.stdout = sys.stderr
