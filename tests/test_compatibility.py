"""The table of docs/compatibility.md: every row has a verdict, and every claim a test that exists."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "compatibility.md"
VERDICTS = {"same", "better", "not yet"}


class Row(NamedTuple):
    feature: str
    verdict: str
    meaning: str
    proof: str


def rows() -> Iterator[Row]:
    for line in PAGE.read_text().splitlines():
        cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) == len(Row._fields) and cells[0] != "Feature" and set(cells[0]) != {"-"}:
            yield Row(*cells)


ROWS = list(rows())


def test_there_is_a_row_for_every_part_of_what_users_see() -> None:
    assert len(ROWS) > 100
    assert {row.verdict for row in ROWS} == VERDICTS


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.feature[:60])
def test_a_row_names_the_test_that_proves_it(row: Row) -> None:
    if row.verdict == "not yet":
        assert row.meaning, "say what to do instead"
        return
    proofs = re.findall(r"`([\w/]+\.py)::(\w+)`", row.proof)
    assert proofs
    for file, name in proofs:
        defined = {
            node.name for node in ast.parse((TESTS / file).read_text()).body if isinstance(node, ast.FunctionDef)
        }
        assert name in defined


def test_few_rows_are_not_yet() -> None:
    assert len([row for row in ROWS if row.verdict == "not yet"]) <= 10
