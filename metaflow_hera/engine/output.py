"""What a forked worker prints, line by line."""

from __future__ import annotations

from collections.abc import Callable


class Lines:
    """Hands on one stream as lines, to *show* with the stream's name; the last may lack its end."""

    def __init__(self, stream: str, show: Callable[[str, str], None]) -> None:
        self._stream = stream
        self._show = show
        self._begun = b""

    def take(self, data: bytes) -> None:
        *lines, self._begun = (self._begun + data).split(b"\n")
        for line in lines:
            self._show(self._stream, line.decode(errors="replace"))

    def finish(self) -> None:
        """Show what has no newline at its end."""
        if self._begun:
            self._show(self._stream, self._begun.decode(errors="replace"))
            self._begun = b""
