"""Figures of saving and loading a large array."""

from __future__ import annotations

import json
from collections.abc import Iterator

from benchmarks.figure import Bench, Figure
from benchmarks.measure import python

SIZE = 256 * 2**20

_PLAIN = f"""
import json, os, time, numpy
array = numpy.random.default_rng(0).random({SIZE} // 8)
path = {{folder!r}} + "/plain"
times = []
for _ in range(3):
    started = time.perf_counter()
    with open(path, "wb") as file:
        file.write(memoryview(array).cast("B"))
    times.append(time.perf_counter() - started)
    os.unlink(path)
print(json.dumps(sorted(times)[1]))
"""

_SAVE = f"""
import json, resource, shutil, time, numpy
from metaflow_hera.records import artifacts
from metaflow_hera.settings import Settings
from metaflow_hera.store import open_store
times = []
for seed in range(3):
    array = None
    array = numpy.random.default_rng(seed).random({SIZE} // 8)
    shutil.rmtree({{folder!r}} + f"/values-{{{{seed - 1}}}}", ignore_errors=True)  # as the plain file is removed
    store = open_store({{folder!r}} + f"/values-{{{{seed}}}}", Settings.load())
    started = time.perf_counter()
    refs = artifacts.save_all(store, {{{{"array": array}}}})
    times.append(time.perf_counter() - started)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
started = time.perf_counter()
first = artifacts.load(store, refs["array"])[0]
loaded = time.perf_counter() - started
assert first == array[0]
print(json.dumps([sorted(times)[1], peak, loaded]))
"""

_ARRAY_ALONE = f"""
import json, resource, numpy
from metaflow_hera.records import artifacts
array = numpy.random.default_rng(0).random({SIZE} // 8)
print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024))
"""


def figures(bench: Bench) -> Iterator[Figure]:
    folder = str(bench.folder)
    plain = json.loads(python(_PLAIN.format(folder=folder), bench.env).output)
    alone = json.loads(python(_ARRAY_ALONE, bench.env).output)
    saved, peak, loaded = json.loads(python(_SAVE.format(folder=folder), bench.env).output)
    mebibytes = SIZE / 2**20
    yield Figure(
        name="save a 256 MiB array",
        value=mebibytes / saved,
        unit="MiB/s",
        bare=mebibytes / plain,
        bare_name="a plain write of its bytes",
        budget=0.5,
        at_least=True,
    )
    yield Figure(
        name="peak memory while it is saved",
        value=peak / 2**20,
        unit="MiB",
        bare=alone / 2**20,
        bare_name="the process with the array alone",
        budget=1.2,
    )
    yield bench.starts("load it, up to its first element", loaded, 1)
