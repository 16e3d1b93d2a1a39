"""A flow of a project: each step knows in which branch it runs."""

from __future__ import annotations

from metaflow_hera import FlowSpec, Parameter, current, project, step


def place(context):
    return f"{current.project_name}/{current.branch_name}"


@project(name="fraud_detection", branch="shared_tests", production=True)
class ProjectFlow(FlowSpec):
    deployed_in = Parameter("deployed_in", default=place)

    @step
    def start(self):
        self.branch = current.branch_name
        self.items = ["a", "b"]
        self.next(self.work, foreach="items")

    @step
    def work(self):
        self.seen = (current.project_name, current.is_production, current.is_user_branch, self.input)
        self.next(self.join)

    @step
    def join(self, inputs):
        self.merge_artifacts(inputs, include=["branch"])
        self.seen = [each.seen for each in inputs]
        self.next(self.end)

    @step
    def end(self):
        self.full_name = current.project_flow_name


if __name__ == "__main__":
    ProjectFlow()
