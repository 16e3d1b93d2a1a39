"""The small languages in a manifest, each read back by its other end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaflow_hera.argo.expressions import (
    escape_dollars,
    parse_depends,
    parse_duration,
    parse_when,
    render_depends,
    render_duration,
    render_when,
    unescape_dollars,
)
from metaflow_hera.errors import ManifestError, NamingError
from metaflow_hera.plan.text import AllOf, AnyOf, Condition, Depends, Never, OutputIs, StatusIsNot, Succeeded

NAMES = st.from_regex(r"[a-z]([-a-z0-9]{0,8}[a-z0-9])?", fullmatch=True)


def _groups(inner: st.SearchStrategy[Depends]) -> st.SearchStrategy[Depends]:
    several = st.lists(inner, min_size=2, max_size=4).map(tuple)
    return st.one_of(st.builds(AllOf, several), st.builds(AnyOf, several))


DEPENDS: st.SearchStrategy[Depends] = st.recursive(st.builds(Succeeded, NAMES), _groups, max_leaves=8)


@given(DEPENDS)
def test_depends_is_read_back(depends: Depends) -> None:
    assert parse_depends(render_depends(depends)) == depends


@given(
    st.one_of(
        st.builds(OutputIs, NAMES, NAMES, st.from_regex(r"\w+", fullmatch=True)),
        st.builds(StatusIsNot, NAMES),
        st.just(Never()),
    )
)
def test_conditions_are_read_back_or_refused(condition: Condition) -> None:
    try:
        rendered = render_when(condition)
    except NamingError:
        assert isinstance(condition, StatusIsNot)
        assert "-" in condition.status
    else:
        assert parse_when(rendered) == condition


@given(st.integers(1, 10**6))
def test_durations_are_read_back(seconds: int) -> None:
    assert parse_duration(render_duration(seconds)) == seconds


def as_the_kubelet_does(text: str) -> str:
    """`expansion.Expand` of Kubernetes, for a container without variables: unknown ones stay as they are written."""
    expanded, place = "", 0
    while place < len(text):
        if text.startswith("$$", place):
            expanded, place = f"{expanded}$", place + 2
        else:
            expanded, place = expanded + text[place], place + 1
    return expanded


@given(st.text("$(A) é{}"))
def test_dollars_reach_the_process_and_are_read_back(text: str) -> None:
    assert as_the_kubelet_does(escape_dollars(text)) == text
    assert unescape_dollars(escape_dollars(text)) == text


@pytest.mark.parametrize(
    "rendered",
    [
        "",
        "a",
        "a.Failed",
        "a.Succeeded && b",
        "a.Succeeded b.Succeeded",
        "(a.Succeeded",
        "a.Succeeded)",
        "!a.Succeeded",
        "a.Succeeded && b.Succeeded || c.Succeeded",
        "a.Succeeded &&",
        "&& a.Succeeded",
    ],
)
def test_other_depends_are_refused(rendered: str) -> None:
    with pytest.raises(ManifestError, match="not in our subset"):
        parse_depends(rendered)


@pytest.mark.parametrize("rendered", ["true", "{{workflow.status}} == Failed", "{{=workflow.status > 'Failed'}}"])
def test_other_conditions_are_refused(rendered: str) -> None:
    with pytest.raises(ManifestError, match="not in our subset"):
        parse_when(rendered)


@pytest.mark.parametrize("rendered", ["", "5", "1h", "-1s", "1.5m"])
def test_other_durations_are_refused(rendered: str) -> None:
    with pytest.raises(ManifestError, match="not in our subset"):
        parse_duration(rendered)


def test_a_value_that_would_end_the_expression_is_refused() -> None:
    with pytest.raises(NamingError):
        render_when(OutputIs("s", "next", "it's"))
