"""Manifests as text."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from metaflow_hera.argo import yaml_text
from metaflow_hera.errors import ManifestError

TEXTS = st.text(st.characters(blacklist_categories=("Cs",)))
MEANING_SOMETHING = """
y Y yes n N no on Off TRUE false null ~ 1 1.0 1e3 0x1F 0o7 012 1:30 1_000 .inf .NaN = << 2024-01-01 - ? : # & * ! | >
a:b a#b [a] {a} 'a' "a" %a @a `a` , --- ... 12e03 +1 -1 0b1 1.e+3 685.230_15e+03 190:20:30.15
"""
WORDS = st.sampled_from(MEANING_SOMETHING.split())
VALUES = st.recursive(
    st.one_of(TEXTS, WORDS, st.integers(), st.booleans()),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.one_of(TEXTS, WORDS), inner, max_size=4)),
    max_leaves=12,
)
DOCUMENTS = st.lists(st.dictionaries(st.one_of(TEXTS, WORDS), VALUES, max_size=4), max_size=3)


@given(DOCUMENTS)
def test_what_is_written_is_read_back(documents: list[dict[str, Any]]) -> None:
    assert yaml_text.load(yaml_text.dump(documents)) == documents


@given(st.one_of(TEXTS, WORDS, WORDS.map(str.upper)))
def test_a_text_is_a_text_to_yaml_1_1_as_well(text: str) -> None:
    """Its own list of what a plain word may mean, from yaml.org/type: PyYAML knows less of it than Kubernetes."""
    written = yaml_text.dump([{"key": text}]).removeprefix("key: ").rstrip("\n")
    if written and written[0] not in "\"'|":
        assert not re.fullmatch(r"(?i:y|n|yes|no|true|false|on|off|~|null|<<|=|\.inf|\.nan)", written)
        assert re.match(r"[A-Za-z_/]", written), "no number or date begins like this"
        assert yaml.safe_load(written) == text


def test_a_program_stays_readable() -> None:
    program = "import os\nfor x in range(3):\n    print(x)\n"
    assert yaml_text.dump([{"command": ["python", "-c", program]}]) == (
        'command:\n  - python\n  - "-c"\n  - |\n    import os\n    for x in range(3):\n        print(x)\n'
    )


def test_documents_are_separated_and_names_come_first() -> None:
    assert yaml_text.dump([{"spec": {}, "kind": "A", "apiVersion": "v1"}, {"kind": "B"}]) == (
        "apiVersion: v1\nkind: A\nspec: {}\n---\nkind: B\n"
    )


def test_hera_changes_nothing_by_being_imported() -> None:
    program = (
        "from metaflow_hera.argo import yaml_text\n"
        "document = [{'a': 'y', 'b': 'x: 1', 'c': 'a\\nb', 'd': 'plain'}]\n"
        "before = yaml_text.dump(document)\n"
        "import hera.workflows\n"
        "assert yaml_text.dump(document) == before\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a: 1\na: 2\n", "'a' is there twice"),
        ("on: 1\n", "is not a text"),
        ("- 1\n", r"a manifest is a mapping, not \[1\]"),
        ("a: [", "not YAML that we read"),
        ("a: !!python/name:os.system x\n", "not YAML that we read"),
    ],
)
def test_what_is_no_manifest_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(ManifestError, match=complaint):
        yaml_text.load(text)
