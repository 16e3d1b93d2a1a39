"""Values and their bytes: pickle, with large buffers beside it so that they are neither copied on save nor on load.

A value without large buffers is its pickle. Any other is a header, the pickle, and the buffers, each at a multiple of
64 bytes, so that an array is read where it lies in mapped memory::

    magic (8 bytes)   how many parts (u64)   the size of each part (u64 …)   pickle   buffer   buffer …

What pickle refuses (lambdas, classes made inside of functions, whatever is of ``__main__``, which is another module in
another process) is left to cloudpickle.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from metaflow_hera.errors import ArtifactError
from metaflow_hera.store import Data

ALIGNMENT = 64
BESIDE_FROM = 1 << 14
"""Bytes from which a buffer lies beside the pickle; smaller ones cost less inside."""

RAW = "raw"
"""The encoding of bytes that are no text."""

_MAGIC = b"mfhera\x00\x01"
_COUNT = struct.Struct("<8sQ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ref:
    """Where a value is: inside of the record that holds the reference, or an object of its own.

    Exactly one of *inline* and *digest* is given.
    """

    size: int
    """Bytes of the stored form."""
    type: str
    """``module.Class`` of the value, for people."""
    inline: bytes | None = None
    digest: str | None = None
    """Names the content-addressed object: `naming.data_key`."""
    encoding: str = ""
    """Empty for a value that is stored as `dump` does; else the object is the content of a file, a text in this
    encoding or, with `RAW`, bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dumped:
    """The stored form of a value, in parts that still are its own memory: write them before it changes."""

    parts: tuple[Data, ...]
    size: int
    type: str


def dump(value: object, name: str) -> Dumped:
    """The stored form of *value*; `ArtifactError`, with the artifact's *name*, if it cannot have one."""
    buffers: list[memoryview] = []

    def beside(buffer: pickle.PickleBuffer) -> bool:
        view = buffer.raw()
        if view.nbytes >= BESIDE_FROM:
            buffers.append(view)
        return view.nbytes < BESIDE_FROM

    pickled = _pickled(value, name, beside, buffers)
    parts = tuple(_framed((memoryview(pickled), *buffers))) if buffers else (pickled,)
    return Dumped(parts=parts, size=sum(len(part) for part in parts), type=type_name(type(value)))


def load(data: Data, name: str = "", type: str = "") -> object:
    """The value whose stored form is *data*; its large buffers are views of it. *name* and *type* are for the error."""
    try:
        pickled, *buffers = _unframed(data)
        return pickle.loads(pickled, buffers=map(_writable, buffers))
    except Exception as error:  # what a class does to come back may raise anything
        raise _unreadable(error, name, type) from error


def load_content(data: Data, encoding: str, name: str = "") -> str | bytes:
    """The content of a file that was stored as it is."""
    if encoding == RAW:
        return bytes(data)
    try:
        return str(data, encoding)
    except (UnicodeDecodeError, LookupError) as error:
        raise ArtifactError(f"artifact {name!r} cannot be read as a text in {encoding}: {error}") from error


def type_name(type: type) -> str:
    """How people know a class.

    >>> type_name(dict), type_name(Ref)
    ('dict', 'metaflow_hera.records.values.Ref')
    """
    return type.__qualname__ if type.__module__ == "builtins" else f"{type.__module__}.{type.__qualname__}"


def _pickled(
    value: object, name: str, beside: Callable[[pickle.PickleBuffer], bool], buffers: list[memoryview]
) -> bytes:
    refusal: Exception | None = None
    try:
        pickled = pickle.dumps(value, protocol=5, buffer_callback=beside)
        # In another process, `__main__` is another module: what is of it must be taken along.
        if b"__main__" not in pickled:
            return pickled
    except Exception as error:  # noqa: BLE001  (what a class does to be pickled may raise anything)
        refusal = error
    buffers.clear()
    try:
        import cloudpickle  # many flows never need it, and bare images lack it

        by_value: bytes = cloudpickle.dumps(value, protocol=5, buffer_callback=beside)
    except Exception as error:  # as above
        raise _unpicklable(value, name, refusal or error, error) from error
    return by_value


def _framed(blocks: tuple[memoryview, ...]) -> Iterator[Data]:
    header = _COUNT.pack(_MAGIC, len(blocks)) + struct.pack(f"<{len(blocks)}Q", *(block.nbytes for block in blocks))
    position = len(header)
    yield header
    for block in blocks:
        padding = -position % ALIGNMENT
        yield bytes(padding)
        yield block
        position += padding + block.nbytes


def _unframed(data: Data) -> Iterator[memoryview]:
    view = memoryview(data)
    if bytes(view[: len(_MAGIC)]) != _MAGIC:
        yield view
        return
    _, count = _COUNT.unpack_from(view)
    sizes = struct.unpack_from(f"<{count}Q", view, _COUNT.size)
    position = _COUNT.size + 8 * count
    for size in sizes:
        position += -position % ALIGNMENT
        yield view[position : position + size]
        position += size


def _writable(view: memoryview) -> Data:
    """An array that was written by a step can be changed by the next, as if it had never been away."""
    return bytearray(view) if view.readonly else view


def _unpicklable(value: object, name: str, refusal: Exception, last: Exception) -> ArtifactError:
    told = f"artifact {name!r} of type {type_name(type(value))} cannot be stored: {_one_line(refusal)}"
    if isinstance(last, ImportError) and last.name == "cloudpickle":
        return ArtifactError(f"{told}; cloudpickle might store it, but is not installed: run `pip install cloudpickle`")
    return ArtifactError(
        f"{told}; keep it in a local variable instead of self.{name}, or store something it can be made from again"
    )


def _unreadable(error: Exception, name: str, type: str) -> ArtifactError:
    subject = " ".join(filter(None, (f"artifact {name!r}" if name else "a value", f"of type {type}" if type else "")))
    if isinstance(error, ModuleNotFoundError):
        return ArtifactError(
            f"{subject} cannot be read: there is no module {error.name!r} here; install it, or put the folder "
            "that has it (often that of the flow's file) on PYTHONPATH"
        )
    if isinstance(error, AttributeError | ImportError):
        return ArtifactError(
            f"{subject} cannot be read: {_one_line(error)}; the module here is not the one that stored it"
        )
    return ArtifactError(f"{subject} cannot be read: {_one_line(error)}")


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}".removesuffix(": ")
