"""Random numbers in forks of a process that has imported the user's code."""

from __future__ import annotations

import sys


def renew_randomness() -> None:
    """Let this fork draw other numbers than its siblings, as a task in a Python of its own does.

    Python's own generator sees to that itself. Numpy's global one would repeat what it did in every other fork; it
    stays as it is where the user's module gave it a seed, which it would give it in any process.
    """
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is None or not hasattr(numpy_random, "get_bit_generator"):
        return
    if getattr(numpy_random.get_bit_generator(), "seed_seq", None) is not None:
        numpy_random.seed()
