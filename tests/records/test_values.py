"""Values and their bytes."""

from __future__ import annotations

import math
import pickle
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from metaflow_hera.errors import ArtifactError
from metaflow_hera.records.values import ALIGNMENT, BESIDE_FROM, dump, load


def stored(value: object) -> bytes:
    dumped = dump(value, "x")
    data = b"".join(dumped.parts)
    assert len(data) == dumped.size
    return data


leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.complex_numbers(allow_nan=False)
    | st.text()
    | st.binary()
    | st.binary().map(bytearray)
    | st.dates()
    | st.decimals(allow_nan=False)
)
keys = st.text() | st.integers() | st.binary() | st.tuples(st.integers(), st.text())
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(keys, inner)
        | st.frozensets(keys)
        | st.sets(st.integers())
    ),
    max_leaves=30,
)


@given(values)
def test_any_nested_value_comes_back_equal(value: object) -> None:
    again = load(stored(value))
    assert again == value
    assert type(again) is type(value)


# Without times: pickle itself gives those of the other byte order back in this machine's.
DTYPES = arrays.integer_dtypes() | arrays.floating_dtypes() | arrays.complex_number_dtypes() | arrays.boolean_dtypes()


@given(arrays.arrays(dtype=DTYPES, shape=arrays.array_shapes(max_dims=3, max_side=60)))
def test_any_array_comes_back_equal(array: numpy.ndarray[Any, Any]) -> None:
    again = load(stored(array))
    assert isinstance(again, numpy.ndarray)
    assert again.dtype == array.dtype
    assert again.tobytes() == array.tobytes()


@pytest.mark.parametrize(
    "array",
    [
        numpy.arange(100_000.0),
        numpy.arange(90_000, dtype="i2").reshape(300, 300),
        numpy.asfortranarray(numpy.arange(90_000).reshape(300, 300)),
        numpy.arange(200_000)[::2],
        numpy.arange(90_000).reshape(300, 300).T,
        numpy.array(["a", "bc"] * 10_000),
        numpy.array([{"a": 1}, None] * 10_000, dtype=object),
        numpy.zeros((0, 5)),
        numpy.arange(50_000).astype("datetime64[s]"),
    ],
    ids=lambda array: f"{array.dtype}-{array.shape}",
)
def test_large_arrays_of_any_layout_come_back_equal(array: numpy.ndarray[Any, Any]) -> None:
    again = load(stored({"a": [array]}))
    assert isinstance(again, dict)
    assert numpy.array_equal(again["a"][0], array)
    assert again["a"][0].flags.c_contiguous == array.flags.c_contiguous or not array.flags.forc


def test_a_large_buffer_is_not_copied_on_save() -> None:
    array = numpy.arange(100_000.0)
    dumped = dump(array, "x")
    assert any(numpy.shares_memory(numpy.frombuffer(part, "u1"), array) for part in dumped.parts if len(part))


def test_a_large_array_is_a_view_of_what_was_read_and_can_be_changed() -> None:
    data = bytearray(stored(numpy.arange(100_000.0)))
    again = load(memoryview(data))
    assert isinstance(again, numpy.ndarray)
    assert numpy.shares_memory(again, numpy.frombuffer(data, "u1"))
    again[0] = 7
    assert again[0] == 7


def test_an_array_from_unchangeable_bytes_can_be_changed() -> None:
    again = load(stored(numpy.arange(100_000.0)))
    assert isinstance(again, numpy.ndarray)
    again += 1
    assert again[0] == 1


def test_large_buffers_are_aligned() -> None:
    value = [numpy.arange(BESIDE_FROM + number, dtype="u1") for number in range(3)]
    position, offsets = 0, []
    for part in dump(value, "x").parts:
        if len(part) >= BESIDE_FROM:
            offsets.append(position % ALIGNMENT)
        position += len(part)
    assert offsets == [0, 0, 0]


def test_one_array_in_two_places_stays_one() -> None:
    array = numpy.arange(100_000.0)
    first, second = load(stored([array, array]))  # type: ignore[misc]
    assert first is second


def test_many_small_arrays_make_few_parts() -> None:
    assert len(dump([numpy.arange(10) for _ in range(5000)], "x").parts) == 1


def test_nan_comes_back() -> None:
    assert math.isnan(load(stored(float("nan"))))  # type: ignore[arg-type]


def test_lambdas_and_local_classes_come_back() -> None:
    class Local:
        def __init__(self, number: int) -> None:
            self.number = number

    add = load(stored(lambda x: x + 1))
    local = load(stored(Local(5)))
    assert add(1) == 2  # type: ignore[operator]
    assert local.number == 5  # type: ignore[attr-defined]


def test_a_local_class_with_a_large_array_comes_back() -> None:
    class Local:
        array = numpy.arange(100_000.0)

        def __init__(self) -> None:
            self.own = numpy.arange(100_000.0)

    again = load(stored(Local()))
    assert numpy.array_equal(again.own, Local.array)  # type: ignore[attr-defined]


def test_what_is_of_the_main_module_comes_back_in_another_process(tmp_path: Path) -> None:
    script = tmp_path / "flow.py"
    script.write_text(
        "import sys\n"
        "from metaflow_hera.records.values import dump\n"
        "class Model:\n"
        "    def predict(self): return helper() + 1\n"
        "def helper(): return 41\n"
        "sys.stdout.buffer.write(b''.join(dump(Model(), 'model').parts))\n"
    )
    written = subprocess.run([sys.executable, script], capture_output=True, check=True).stdout
    assert load(written).predict() == 42  # type: ignore[attr-defined]


def generator() -> Any:
    yield 1


class Stubborn:
    def __reduce__(self) -> str:
        raise RuntimeError("I stay\nhere")


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (generator(), "of type generator cannot be stored: TypeError: cannot pickle 'generator' object"),
        (Stubborn(), r"of type .*Stubborn cannot be stored: RuntimeError: I stay here"),
        ([Stubborn()], "of type list cannot be stored: RuntimeError: I stay here"),
    ],
    ids=["generator", "class", "inside"],
)
def test_what_cannot_be_stored_is_named_with_its_type_and_cause(value: object, told: str) -> None:
    with pytest.raises(ArtifactError, match=rf"artifact 'model' {told}; keep it in a local variable"):
        dump(value, "model")


def test_a_lock_and_a_too_deep_value_are_named() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    for value in (threading.Lock(), deep):
        with pytest.raises(ArtifactError, match="artifact 'x' of type"):
            dump(value, "x")
    while deep:
        deep = deep.pop()


def test_a_class_of_a_module_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models_of_mine.py").write_text("class Model: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    import models_of_mine  # type: ignore[import-not-found]

    dumped = dump(models_of_mine.Model(), "model")
    monkeypatch.undo()
    monkeypatch.delitem(sys.modules, "models_of_mine")
    with pytest.raises(
        ArtifactError, match=r"'model' of type models_of_mine.Model .* no module 'models_of_mine' here; "
    ):
        load(b"".join(dumped.parts), "model", dumped.type)


def test_a_class_that_its_module_lost_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models_of_yours.py").write_text("class Model: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    import models_of_yours  # type: ignore[import-not-found]

    dumped = dump(models_of_yours.Model(), "model")
    del models_of_yours.Model
    with pytest.raises(ArtifactError, match=r"AttributeError: .*Model.*; the module here is not the one"):
        load(b"".join(dumped.parts), "model")


@pytest.mark.parametrize("cut", [0, 1, 5, 9, 50, 1000])
def test_bytes_that_lost_their_end_are_an_artifact_error(cut: int) -> None:
    with pytest.raises(ArtifactError, match="artifact 'x' cannot be read"):
        load(stored([numpy.arange(100_000.0), "text"])[:cut], "x")


def test_without_cloudpickle_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    with pytest.raises(ArtifactError, match="pip install cloudpickle"):
        dump(lambda: 1, "x")


def test_plain_values_do_not_import_cloudpickle() -> None:
    code = (
        "import sys; from metaflow_hera.records.values import dump; dump([1], 'x'); print('cloudpickle' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_the_form_of_plain_values_is_pickle() -> None:
    assert pickle.loads(stored({"a": 1})) == {"a": 1}
