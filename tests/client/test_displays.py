"""What notebooks show of flows, runs, steps and tasks."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import pytest

from metaflow_hera import Flow, FlowSpec, Parameter, Run, Task, run, step

HOSTILE = "<script>alert('&')</script>"


class ShownFlow(FlowSpec):
    word = Parameter("word", default="plain")
    fail = Parameter("fail", default=False)

    @step
    def start(self):
        self.items = list(range(3))
        self.next(self.work, foreach="items")

    @step
    def work(self):
        self.large = "x" * 5000
        if self.fail and self.input == 1:
            raise ValueError(f"no {self.word}")
        self.next(self.join)

    @step
    def join(self, inputs):
        self.next(self.end)

    @step
    def end(self):
        pass


@pytest.fixture
def failed() -> Run:
    return run(ShownFlow, word=HOSTILE, fail=True, tags=[HOSTILE], check=False)


def shown(thing: Run | Task | Flow) -> str:
    """The HTML, which has to be well-formed and free of what users wrote."""
    html = thing._repr_html_()
    assert HOSTILE not in html
    ElementTree.fromstring(f"<div>{html.replace(' xmlns=', ' data-xmlns=')}</div>")
    return html


def colours(html: str) -> dict[str, str]:
    return {step: kind for kind, step in re.findall(r'<g class="(\w+)"><title>(\w+)', html)}


def test_a_run_shows_its_graph_by_the_state_of_its_steps(failed: Run) -> None:
    html = shown(failed)
    assert colours(html) == {"start": "succeeded", "work": "failed", "join": "waiting", "end": "waiting"}
    assert "2 of 3 tasks" in html
    assert set(colours(shown(run(ShownFlow))).values()) == {"succeeded"}


def test_a_run_shows_why_it_failed_and_what_it_was_given(failed: Run) -> None:
    html = shown(failed)
    assert "ValueError: no &lt;script&gt;" in html
    assert "<td>fail</td><td>True</td>" in html
    assert "<td>work</td><td>2 of 3</td><td>failed</td>" in html
    assert re.search(r"Failed</span> began [-\d: ]+, took \d+", html)


def test_a_task_shows_its_artifacts_and_small_values(failed: Run) -> None:
    html = shown(Task(f"{failed.pathspec}/work/1"))
    assert "<td>items</td><td>list</td><td>" in html and "[0, 1, 2]" in html
    assert re.search(r"<td>large</td><td>str</td><td>5,0\d\d</td><td></td>", html)
    assert "Traceback" in html


def test_a_step_shows_its_tasks(failed: Run) -> None:
    html = shown(failed["work"])
    assert re.findall(r"<tr><td>(\d)</td><td>(\w+)</td>", html) == [
        ("0", "Succeeded"),
        ("1", "Failed"),
        ("2", "Succeeded"),
    ]


def test_a_flow_shows_its_latest_runs(failed: Run) -> None:
    later = run(ShownFlow)
    html = shown(Flow("ShownFlow"))
    assert html.index(later.id) < html.index(failed.id)
    assert "its latest 2 runs" in html


def test_a_flow_that_does_not_run_shows_its_graph() -> None:
    drawn = ShownFlow(use_cli=False)._repr_svg_()
    assert set(colours(drawn)) == {"start", "work", "join", "end"}
