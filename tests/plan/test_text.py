"""Texts with references."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaflow_hera.errors import ManifestError, NamingError
from metaflow_hera.plan.text import (
    Input,
    Item,
    Reference,
    Retries,
    TaskOutput,
    Text,
    WorkflowName,
    WorkflowStatus,
    fill,
    parse,
    render,
    text,
)

NAMES = st.from_regex(r"[a-z][-a-z0-9]{0,8}", fullmatch=True)
REFERENCES: st.SearchStrategy[Reference] = st.one_of(
    st.sampled_from([Item(), Retries(), WorkflowName(), WorkflowStatus()]),
    st.builds(Input, NAMES),
    st.builds(TaskOutput, NAMES, NAMES),
)
TEXTS = st.lists(st.one_of(st.text("ab{}.\n$é "), REFERENCES)).map(lambda parts: text(*parts))


@given(TEXTS)
def test_what_is_written_is_read_back_or_refused(value: Text) -> None:
    try:
        rendered = render(value)
    except NamingError:
        assert any(isinstance(part, str) and "{" in part for part in value)
    else:
        assert parse(rendered) == value


@given(st.text())
def test_a_text_without_opening_braces_is_itself(value: str) -> None:
    plain = value.replace("{", "(")
    assert render(text(plain)) == plain


@pytest.mark.parametrize("value", [("{{",), ("a{{b}}",), ("{", Item())])
def test_what_argo_would_evaluate_is_refused(value: Text) -> None:
    with pytest.raises(NamingError, match="Argo would evaluate"):
        render(value)


@pytest.mark.parametrize("rendered", ["{{=1+1}}", "{{workflow.parameters.x}}", "{{ item }}", "{{}}", "{{item.a}}"])
def test_a_reference_that_we_do_not_write_is_refused(rendered: str) -> None:
    with pytest.raises(ManifestError, match="none of the references"):
        parse(rendered)


def test_references_are_filled_in() -> None:
    assert fill(text("a", Item(), "b", Input("x")), str) == "aItem()bInput(name='x')"
