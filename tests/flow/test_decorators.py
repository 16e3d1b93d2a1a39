"""Decorators as data, and as texts."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaflow_hera import FlowSpec, catch, environment, kubernetes, resources, retry, schedule, step, timeout
from metaflow_hera.deploy.source import check_flow
from metaflow_hera.errors import FlowError, UsageError
from metaflow_hera.flow.decorators import decorator_of, flow_decorators
from metaflow_hera.flow.decospec import parse_decospec
from metaflow_hera.graph.model import DecoratorSpec, Step
from metaflow_hera.graph.parse import parse


def a_step(*specs: DecoratorSpec) -> Step:
    from metaflow_hera.graph.model import End

    return Step(name="s", transition=End(), decorators=specs)


def test_a_decorator_is_read_back_from_a_step_as_it_was_written() -> None:
    written = a_step(retry(times=4).spec, timeout(minutes=1, seconds=5).spec, kubernetes(image="x", secrets="a,b").spec)

    assert decorator_of(written, retry) == retry(times=4, minutes_between_retries=2)
    assert decorator_of(written, timeout).total_seconds == 65
    assert decorator_of(written, kubernetes).secret_names == ("a", "b")
    assert decorator_of(written, catch) is None


def test_a_decorator_leaves_the_function_as_it_is_and_cannot_be_changed() -> None:
    def function(self: object) -> int:
        return 1

    assert retry(function) is function
    assert retry()(function) is function
    with pytest.raises(AttributeError, match="@retry cannot be changed"):
        retry().times = 5


def test_equal_decorators_are_equal_and_show_what_is_not_usual() -> None:
    assert retry(times=3) == retry() != retry(times=4)
    assert retry() != timeout()
    assert repr(kubernetes(image="x", cpu=2)) == "kubernetes(cpu=2, image='x')"


def test_numbers_as_text_are_numbers() -> None:
    assert (retry(times="4").times, retry(minutes_between_retries="0.5").minutes_between_retries) == (4, 0.5)
    assert timeout(hours="1").total_seconds == 3600
    assert resources(memory="500").memory == "500"


def test_kubernetes_reads_selectors_and_secrets_in_each_of_their_forms() -> None:
    assert kubernetes(node_selector="a=b, c/d=e=f").node_labels == {"a": "b", "c/d": "e=f"}
    assert kubernetes(node_selector={"a": 1}).node_labels == {"a": "1"}
    assert kubernetes().node_labels == {}
    assert kubernetes(image_pull_secrets=("a",)).pull_secret_names == ("a",)
    asked = [
        kubernetes(use_tmpfs=True),
        kubernetes(tmpfs_size=5),
        kubernetes(use_tmpfs=False, tmpfs_size=5),
        kubernetes(),
    ]
    assert [each.has_tmpfs for each in asked] == [True, True, False, False]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (schedule(), "0 0 * * ? *"),
        (schedule(hourly=True), "0 * * * ? *"),
        (schedule(weekly=True, hourly=True), "0 0 ? * SUN *"),
        (schedule(cron="0 10 * * ? *", weekly=True), "0 10 * * ? *"),
        (schedule(daily=False), None),
    ],
)
def test_a_schedule_says_when(given: schedule, expected: str | None) -> None:
    assert given.expression == expected


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (
            schedule(concurrency_policy="forbid"),
            "concurrency_policy must be one of Allow, Forbid, Replace, not 'forbid'",
        ),
        (schedule(concurrency_policy=None), "concurrency_policy must be one of Allow, Forbid, Replace, not None"),
        (schedule(starting_deadline=-1), "starting_deadline must be a whole number of at least 0, not -1"),
        (schedule(successful_runs_limit=1.5), "successful_runs_limit must be a whole number of at least 0, not 1.5"),
        (schedule(failed_runs_limit=True), "failed_runs_limit must be a whole number of at least 0, not True"),
    ],
)
def test_a_schedule_that_cannot_be_kept_is_named(given: schedule, problem: str) -> None:
    assert list(given.problems()) == [problem]


def test_a_derived_flow_has_the_schedule_of_its_base_or_its_own() -> None:
    @schedule(hourly=True, timezone="Europe/Berlin")
    class Base(FlowSpec):
        pass

    class Inherits(Base):
        pass

    @schedule
    class Own(Base):
        pass

    assert flow_decorators(Inherits) == flow_decorators(Base) == (schedule(hourly=True, timezone="Europe/Berlin"),)
    assert flow_decorators(Own) == (schedule(),)
    assert flow_decorators(FlowSpec) == ()


def loud(function):
    @functools.wraps(function)
    def wrapper(self, *args):
        return function(self, *args)

    return wrapper


class Wrapped(FlowSpec):
    @retry
    @loud
    @step
    def start(self):
        """Begin.

        With more.
        """
        self.next(self.end)

    @step
    @loud
    @loud
    def end(self):
        pass


def test_a_step_behind_other_decorators_is_read_where_it_is_written() -> None:
    graph = parse(Wrapped)

    assert graph["start"].targets == ("end",)
    assert [spec.name for spec in graph["start"].decorators] == ["retry"]
    assert graph["start"].doc == "Begin.\n\nWith more."
    assert graph.defects == ()


def test_step_is_for_functions() -> None:
    with pytest.raises(TypeError, match="@step makes a method of a flow class a step; it was put on <property"):
        step(property())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("retry", retry()),
        ("retry:", retry()),
        ("retry:times=4, minutes_between_retries=0.5", retry(times=4, minutes_between_retries=0.5)),
        ("kubernetes:image=repo:5000/x:tag,cpu=2", kubernetes(image="repo:5000/x:tag", cpu=2)),
        ('environment:vars={"A": "1,B=2", "C": "{"}', environment(vars={"A": "1,B=2", "C": "{"})),
        (
            'kubernetes:secrets=["a","b"],node_selector="k=v,l=w"',
            kubernetes(secrets=["a", "b"], node_selector="k=v,l=w"),
        ),
        ("kubernetes:image=a,b,gpu=1", kubernetes(image="a,b", gpu=1)),
        ("catch:var=error,print_exception=false", catch(var="error", print_exception=False)),
    ],
)
def test_a_decorator_can_be_written_as_text(text: str, expected: object) -> None:
    assert parse_decospec(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "--with : there is no step decorator ''; there are "),
        ("retries", "--with retries: there is no step decorator 'retries'"),
        ("schedule", "--with schedule: there is no step decorator 'schedule'"),
        ("retry:4", "--with retry:4: expected attribute=value at '4'"),
        ("retry:times=4,times=5", "--with retry:times=4,times=5: 'times' is given twice"),
        ("retry:time=4", "--with retry:time=4: @retry has no attribute 'time'; its attributes are times,"),
        ("retry:times=", "--with retry:times=: @retry: times must be a whole number of at least 0, not ''"),
        ("timeout", "--with timeout: @timeout: needs a duration"),
    ],
)
def test_a_text_that_is_no_decorator_is_told(text: str, expected: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_decospec(text)

    assert str(caught.value).startswith(expected)


@given(st.text())
def test_any_text_is_a_decorator_or_refused(text: str) -> None:
    for start in ("", "retry:", "environment:vars=", 'environment:vars={"A":'):
        try:
            parse_decospec(start + text)
        except UsageError:
            continue


def test_decorators_of_the_peers_that_are_not_supported_are_refused_by_the_check_with_all_else(tmp_path: Path) -> None:
    file = tmp_path / "other_platforms.py"
    file.write_text(
        "from metaflow_hera import FlowSpec, batch, conda, conda_base, pypi, pypi_base, retry, step\n\n\n"
        "@pypi_base(packages={'a': '1'})\n@conda_base(disabled=True)\nclass Other(FlowSpec):\n"
        "    @conda(libraries={'a': '1'}, python='3.11')\n    @retry(times=-1)\n    @step\n"
        "    def start(self):\n        self.next(self.middle)\n\n"
        "    @batch(cpu=1, queue='q')\n    @pypi(packages={}, disabled=True)\n    @step\n"
        "    def middle(self):\n        self.next(self.end)\n\n"
        "    @pypi\n    @step\n    def end(self):\n        pass\n"
    )
    image = (
        "is not supported; bake the packages into an image for @kubernetes(image=…), and install them here for local "
        "runs, or switch it off with disabled=True"
    )
    with pytest.raises(FlowError) as caught:
        check_flow(file)

    assert str(caught.value).splitlines() == [
        f"{file}:4: flow Other: @pypi_base: {image}",
        f"{file}:10: step 'start': @conda: {image}",
        f"{file}:10: step 'start': @retry: times must be a whole number of at least 0, not -1",
        f"{file}:16: step 'middle': @batch: is not supported: steps run in Kubernetes; say what they need with "
        "@kubernetes or @resources",
        f"{file}:21: step 'end': @pypi: {image}",
    ]


def test_a_decorator_that_is_not_supported_is_no_advice_but_can_be_given() -> None:
    with pytest.raises(UsageError) as caught:
        parse_decospec("nothing")
    assert not {"batch", "conda", "pypi"} & set(str(caught.value).replace(",", "").split())
    with pytest.raises(UsageError, match="--with batch: @batch: is not supported"):
        parse_decospec("batch")
    assert parse_decospec("pypi:disabled=true").disabled is True
