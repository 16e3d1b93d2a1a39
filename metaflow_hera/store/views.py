"""Several pieces of memory as one stream, for libraries that take a file, without joining them."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence

from metaflow_hera.store import Data


def slices(parts: Iterable[Data], size: int) -> Iterator[list[memoryview]]:
    """*parts* cut anew into runs of *size* bytes, the last of what is left.

    >>> [[bytes(view) for view in views] for views in slices([b"abc", b"", b"defg"], 2)]
    [[b'ab'], [b'c', b'd'], [b'ef'], [b'g']]
    """
    cut: list[memoryview] = []
    room = size
    for part in parts:
        rest = memoryview(part).cast("B")
        while rest:
            cut.append(rest[:room])
            rest = rest[room:]
            room -= len(cut[-1])
            if not room:
                yield cut
                cut, room = [], size
    if cut:
        yield cut


class Views(io.RawIOBase):
    """A file to be read, and read again from its beginning, over views of memory.

    >>> Views([memoryview(b"abc"), memoryview(b"de")]).read()
    b'abcde'
    """

    def __init__(self, views: Sequence[memoryview]) -> None:
        self._views = tuple(views)
        self._size = sum(map(len, self._views))
        self._position = 0

    def __len__(self) -> int:
        return self._size

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = min(max(origin + offset, 0), self._size)
        return self._position

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        target = memoryview(buffer).cast("B")
        first = 0  # where the view begins in the whole
        written = 0
        for view in self._views:
            skipped = self._position - first
            if 0 <= skipped < len(view) and written < len(target):
                piece = view[skipped : skipped + len(target) - written]
                target[written : written + len(piece)] = piece
                written += len(piece)
                self._position += len(piece)
            first += len(view)
        return written
