"""@project: branches, names, and what current says of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaflow_hera import FlowSpec, Parameter, current, deploy, project, run, step
from metaflow_hera.cli.peer import flow_group
from metaflow_hera.deploy.launching import LaunchOptions
from metaflow_hera.deploy.projects import name_of_class
from metaflow_hera.deploy.source import check_flow, launched_class
from metaflow_hera.deployment_names import TEMPLATE_NAME_LIMIT, deployment_name, project_deployment_name
from metaflow_hera.errors import BackendError, FlowError, UsageError


def place(context):
    return f"{current.project_flow_name} {context.flow_name}"


class Plain(FlowSpec):
    @step
    def start(self):
        self.has_project = "project_name" in current
        self.next(self.end)

    @step
    def end(self):
        pass


@project(name="fraud")
class Branched(FlowSpec):
    where = Parameter("where", default=place)

    @step
    def start(self):
        self.facts = (
            current.project_name,
            current.branch_name,
            current.is_user_branch,
            current.is_production,
            current.project_flow_name,
        )
        self.next(self.end)

    @step
    def end(self):
        pass


@project(name="fraud", branch="mine", production=True)
class Fixed(Plain):
    pass


CHOICES = [
    ({}, "user.tester", True, False),
    ({"branch": "x"}, "test.x", False, False),
    ({"production": True}, "prod", False, True),
    ({"branch": "x", "production": True}, "prod.x", False, True),
]


@pytest.mark.parametrize(("chosen", "branch", "is_users", "is_production"), CHOICES)
def test_tasks_functions_and_tags_know_the_branch(
    chosen: dict[str, object], branch: str, is_users: bool, is_production: bool
) -> None:
    made = run(Branched, **chosen)

    name = f"fraud.{branch}.Branched"
    assert made["start"].task.data.facts == ("fraud", branch, is_users, is_production, name)
    assert made.data.where == f"{name} Branched"
    assert {"project:fraud", f"project_branch:{branch}"} <= made.system_tags
    assert "project_name" not in current


def test_the_environment_says_what_options_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METAFLOW_BRANCH", "theirs")
    monkeypatch.setenv("MFHERA_PRODUCTION", "1")

    assert launched_class(Branched)[1][1:] == ("theirs", True)
    assert launched_class(Branched, options=LaunchOptions(branch="ours"))[1].branch == "ours"
    assert launched_class(Plain)[1][1:] == (None, False)
    monkeypatch.setenv("MFHERA_PRODUCTION", "maybe")
    with pytest.raises(UsageError, match=r"^MFHERA_PRODUCTION is 'maybe'; set it to true or false$"):
        launched_class(Branched)


def test_a_flow_without_a_project_knows_none() -> None:
    assert run(Plain)["start"].task.data.has_project is False
    with pytest.raises(AttributeError, match="current has no 'project_name'"):
        _ = current.project_name
    with pytest.raises(UsageError, match=r"^--branch is for flows of a project; write @project\(name='…'\) above"):
        run(Plain, branch="x")
    with pytest.raises(UsageError, match=r"^--production is for flows of a project; write @project"):
        run(Plain, production=True)


def test_what_the_decorator_fixes_cannot_be_chosen_otherwise() -> None:
    assert name_of_class(launched_class(Fixed)[0], None, "ann") == "fraud.prod.mine.fixed"
    assert name_of_class(launched_class(Fixed, options=LaunchOptions(branch="mine"))[0], None, "") == (
        "fraud.prod.mine.fixed"
    )
    with pytest.raises(UsageError, match=r"^--branch other: Fixed has @project\(branch='mine'\); keep one$"):
        launched_class(Fixed, options=LaunchOptions(branch="other"))
    with pytest.raises(
        UsageError, match=r"^--branch: a branch must be 1 to 128 lower-case letters, digits and '_', not"
    ):
        launched_class(Branched, options=LaunchOptions(branch="A-b"))


def test_all_that_is_wrong_with_a_project_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "wrong_project.py"
    file.write_text(
        "from metaflow_hera import FlowSpec, project, step\n\n\n"
        "@project(name='A b', branch='x.y', production='yes')\n"
        "class Wrong(FlowSpec):\n    @step\n    def start(self):\n        self.next(self.end)\n\n"
        "    @step\n    def end(self):\n        pass\n"
    )
    with pytest.raises(FlowError) as caught:
        check_flow(str(file))

    assert str(caught.value).splitlines() == [
        f"{file}:4: flow Wrong: @project: name must be 1 to 128 lower-case letters, digits and '_', not 'A b'",
        f"{file}:4: flow Wrong: @project: branch must be 1 to 128 lower-case letters, digits and '_', not 'x.y'",
        f"{file}:4: flow Wrong: @project: production must be True or False, not 'yes'",
    ]
    file.write_text(file.read_text().replace("(name='A b', branch='x.y', production='yes')", ""))
    with pytest.raises(FlowError, match=r":4: flow Wrong: @project: needs a name; write @project\(name='my_project'\)"):
        check_flow(str(file))


def test_each_branch_is_a_deployment_of_its_own() -> None:
    mine, tested, live = (deploy(Branched), deploy(Branched, branch="x"), deploy(Branched, production=True))

    assert [each.name for each in (mine, tested, live)] == [
        "fraud.user.tester.branched",
        "fraud.test.x.branched",
        "fraud.prod.branched",
    ]
    assert [parameter.default for parameter in tested.parameters] == ["fraud.test.x.Branched Branched"]
    with pytest.raises(UsageError, match=r"^--name y: Branched is of the project 'fraud', whose deployments are named"):
        deploy(Branched, name="y")


def test_a_deployment_of_another_project_is_not_replaced() -> None:
    @project(name="fra_ud")
    class Other(Plain):
        pass

    Other.__name__ = Other.__qualname__ = "Branched"
    deploy(Branched, branch="x")

    with pytest.raises(BackendError, match=r"the name 'fraud\.test\.x\.branched' belongs to the deployed flow fraud\."):
        deploy(Other, branch="x")


def test_the_peers_grammar_takes_the_branch_before_the_command() -> None:
    options = {option for parameter in flow_group.params for option in parameter.opts}

    assert {"--branch", "--production", "--trigger"} <= options


words = st.text("abc_019", min_size=1, max_size=30)


@given(words, st.sampled_from(["prod", "user", "test"]), words, st.text("aB_9", min_size=1, max_size=40))
def test_every_branch_of_a_project_has_a_name_that_argo_takes(name: str, kind: str, branch: str, flow: str) -> None:
    made = project_deployment_name(name, f"{kind}.{branch}", f"F{flow}")

    assert len(made) <= TEMPLATE_NAME_LIMIT
    assert deployment_name("F", made) == made
    assert made != project_deployment_name(name, f"{kind}.{branch}x", f"F{flow}")
