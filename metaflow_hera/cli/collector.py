"""The garbage collector, which rests until a command goes on for long.

What a command makes at first are modules and classes. They stay, so looking through them for garbage takes a tenth of
the time of a short command and finds nothing.
"""

from __future__ import annotations

import gc


def pause() -> None:
    gc.disable()


def resume() -> None:
    """For what may take long; what is there now is never looked at again."""
    gc.freeze()
    gc.enable()
