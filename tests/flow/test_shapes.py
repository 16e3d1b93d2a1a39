"""The flows of tests/flows, run by the oracle: what a flow means."""

from __future__ import annotations

from pathlib import Path

import pytest
from flow_oracle import run_oracle

from metaflow_hera.deploy.source import check_flow
from metaflow_hera.flow.load import load_flow

FLOWS = Path(__file__).parents[1] / "flows"
SHAPES = sorted(path.stem for path in FLOWS.glob("*_flow.py"))
FAILING = {"catch_flow", "retry_flow", "timeout_flow"}


def at_the_end(shape: str, **texts: str) -> dict[str, object]:
    return run_oracle(load_flow(FLOWS / f"{shape}.py"), **texts).tasks["end", "0"]


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_passes_the_check(shape: str) -> None:
    check_flow(FLOWS / f"{shape}.py")


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ("linear_flow", {"summary": ("ab", 2, (1, 2.5, None)), "letters": ["a", "b"]}),
        ("split_flow", {"named": (11, 12), "indexed": -1, "values": [11, 12], "width": 2, "total": 23}),
        ("nested_splits_flow", {"all_found": ["ab", "lm"]}),
        (
            "foreach_flow",
            {
                "results": [(0, "x", 1), (1, "yy", 2), (2, {"z": 3}, 1)],
                "stacks": [[(0, 3, "x")], [(1, 3, "yy")], [(2, 3, {"z": 3})]],
                "outside": (None, None, []),
                "has_items": False,
            },
        ),
        (
            "foreach_body_flow",
            {"results": [100, 101, 104, 109], "seen": [(0, 0), (1, 1), (2, 2), (3, 3)], "total": 414},
        ),
        ("split_in_foreach_flow", {"pairs": [(0, 3, "ENO"), (1, 5, "EERHT")]}),
        (
            "nested_foreach_flow",
            {
                "table": [
                    [[(0, 2, 1), (0, 1, 0)]],
                    [[(1, 2, 3), (0, 3, 0)], [(1, 2, 3), (1, 3, 1)], [(1, 2, 3), (2, 3, 2)]],
                ],
                "outers": [(0, 1), (1, 3)],
                "count": 4,
            },
        ),
        ("deep_foreach_flow", {"count": 8}),
        ("foreach_in_split_flow", {"values": [[30, 10, 20], "single"]}),
        ("merge_flow", {"names": ["shared", "only_a", "only_b", "different"], "different": 2, "last": "changed"}),
        ("inherited_flow", {"by_base": "green", "replaced": True, "from_mixin": "2 cm, green", "began": "in the base"}),
        (
            "odd_names_flow",
            {"names": ["Train", "train", "größe", "_private", "let"], "same": "größe", "squares": [1, 4]},
        ),
    ],
)
def test_a_shape_leaves_what_it_says(shape: str, expected: dict[str, object]) -> None:
    found = at_the_end(shape)

    assert {name: found[name] for name in expected} == expected


def test_parameters_and_constants_are_the_same_in_all_steps() -> None:
    found = at_the_end("parameters_flow", number="5", data="[1]", nothing="3")

    assert found["values"][1:] == [5, 0.1, True, [1], ["a", "b", "c"], 3]
    assert found["others"] == ["", "ParametersFlow computed", 3, {"key": [1, 2]}]
    assert found["products"] == [15, pytest.approx(0.3)]
    assert found["still"] == (5, 5, 3)
    assert found["is_read_only"]
    assert found["names"] == sorted(
        ["text", "number", "fraction", "flag", "data", "parts", "nothing", "renamed", "computed"]
    )


def test_every_shape_that_does_not_fail_on_purpose_is_tried_here() -> None:
    assert {"parameters_flow", *FAILING} < set(SHAPES)
