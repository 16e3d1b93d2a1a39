"""Flows whose deployments have owners; a module of its own, since tasks import it."""

from __future__ import annotations

from metaflow_hera import FlowSpec, current, get_namespace, project, step


class TokenFlow(FlowSpec):
    @step
    def start(self) -> None:
        self.seen = (current.namespace, get_namespace(), current.username)
        self.next(self.end)

    @step
    def end(self) -> None:
        pass


class OneFlow(TokenFlow):
    pass


@project(name="fraud")
class UpFlow(FlowSpec):
    @step
    def start(self) -> None:
        self.next(self.end)

    @step
    def end(self) -> None:
        pass


@project(name="fraud")
class DownFlow(FlowSpec):
    @step
    def start(self) -> None:
        self.next(self.end)

    @step
    def end(self) -> None:
        pass
