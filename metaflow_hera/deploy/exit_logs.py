"""What was printed when a run had ended: by those who tell people, and by functions of @exit_hook."""

from __future__ import annotations

from collections.abc import Iterator

from metaflow_hera.deploy.logs import LogLine, lines_of
from metaflow_hera.deploy.recorded import open_records
from metaflow_hera.deploy.runs import locate
from metaflow_hera.errors import UnknownRunError, UsageError
from metaflow_hera.naming import RunKeys
from metaflow_hera.settings import Settings
from metaflow_hera.store.parallel import each

EXIT = "exit"
"""Stands where the step of a task would."""


def read_exit_logs(target: str, settings: Settings, streams: tuple[str, ...]) -> Iterator[LogLine]:
    """The lines of ``[Flow/]run``, container by container, of every end that the run had; stdout before stderr."""
    flow, run, rest = locate(target, settings)
    if rest:
        raise UsageError(f"{target!r}: what is done at the end is done for a whole run; give {flow}/{run}")
    store = open_records(settings)
    segments: dict[tuple[int, int, int], list[str]] = {}
    prefix = RunKeys(flow, run).exits
    for key in store.keys(prefix):
        end, container, name = key.removeprefix(prefix).split("/")
        kind = name.partition(".")[0]
        if kind in streams and container.isdecimal():  # or it says that something is done
            segments.setdefault((int(end), int(container), streams.index(kind)), []).append(key)
    if not segments:
        raise UnknownRunError(
            f"nothing was printed at the end of {flow}/{run}: it has no exit hooks and told nobody, or has not ended"
        )
    ends = sorted({end for end, _, _ in segments})
    for (number, _, stream), keys in sorted(segments.items()):
        data = b"".join(each(store, lambda key: bytes(store.get(key)), keys))
        yield from lines_of((EXIT, "0", ends.index(number), streams[stream]), data)
