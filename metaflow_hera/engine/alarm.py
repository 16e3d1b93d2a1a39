"""The signals that end a local run, as something that its loop can wait for."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(slots=True)
class Alarm:
    """The signals that came, and a descriptor that becomes readable when one does; -1 if none is heard."""

    source: int
    came: list[int]


@contextmanager
def alarm() -> Iterator[Alarm]:
    """SIGINT, SIGTERM and SIGHUP while the body runs, where this is the main thread.

    Signals are the main thread's; who runs us elsewhere has an own way to stop.
    """
    if threading.current_thread() is not threading.main_thread():
        yield Alarm(-1, [])
        return
    source, writer = os.pipe()
    for descriptor in (source, writer):
        os.set_blocking(descriptor, False)
    heard = Alarm(source, [])
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # or nohup would be in vain
        numbers.append(signal.SIGHUP)
    before = [signal.signal(number, lambda number, _: heard.came.append(number)) for number in numbers]
    wakeup = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    try:
        yield heard
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
        os.close(source)
        os.close(writer)
