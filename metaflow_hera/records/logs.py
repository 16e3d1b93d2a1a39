"""What tasks print: numbered segments, each written whole while the task runs.

One writer for each stream of an attempt; what it has not flushed is lost with its process, and nothing else.
"""

from __future__ import annotations

from metaflow_hera.naming import AttemptKeys, RunKeys
from metaflow_hera.records.task import TaskRecord
from metaflow_hera.store import Store
from metaflow_hera.store.parallel import each

STDOUT = "stdout"
STDERR = "stderr"


class LogWriter:
    """Takes the bytes of one stream and writes them, when flushed, as the next segment."""

    def __init__(self, store: Store, keys: AttemptKeys, stream: str) -> None:
        self._store = store
        self._keys = keys
        self._stream = stream
        self._segment = 0
        self._pending: list[bytes] = []

    @property
    def pending(self) -> int:
        """Bytes that a flush would write."""
        return sum(map(len, self._pending))

    def write(self, data: bytes) -> None:
        if data:
            self._pending.append(data)

    def flush(self) -> None:
        """Write what came since the last flush; if the store fails, it stays for the next one."""
        if self._pending:
            self._store.put(self._keys.log(self._stream, self._segment), *self._pending)
            self._segment += 1
            self._pending.clear()


def append(store: Store, keys: AttemptKeys, stream: str, data: bytes) -> None:
    """Write *data* after all that is there of a stream whose writer is done."""
    written = sum(1 for _ in store.keys(keys.log_prefix(stream)))
    store.put(keys.log(stream, written), data)


def origin_keys(keys: RunKeys, record: TaskRecord) -> AttemptKeys:
    """Where the attempt ran that left a record: of a clone, in the run that it was taken from."""
    if not record.origin:
        return keys.attempt(record.step, record.path, record.attempt)
    run, step, path, attempt = record.origin.split("/")
    return RunKeys(keys.flow, run).attempt(step, path, int(attempt))


def read(store: Store, keys: AttemptKeys, stream: str) -> bytes:
    """All of a stream that is written so far."""
    segments = tuple(store.keys(keys.log_prefix(stream)))
    return b"".join(each(store, lambda key: bytes(store.get(key)), segments))
