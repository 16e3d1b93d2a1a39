from metaflow import Flow, FlowSpec, Run, Task, current, get_namespace, namespace, step
from metaflow.client.core import Run as CoreRun
from metaflow.exception import MetaflowNotFound


class ClientFlow(FlowSpec):
    @step
    def start(self):
        current.run.add_tag("seen")
        self.previous = None
        try:
            latest = Flow("NeverRanFlow").latest_successful_run
            self.previous = latest.id
        except MetaflowNotFound as error:
            self.error = error
        self.own = Run("%s/%s" % (current.flow_name, current.run_id))
        self.task = Task(current.pathspec)
        self.tags = sorted(current.run.user_tags)
        self.next(self.end)

    @step
    def end(self):
        assert isinstance(self.own, CoreRun)
        self.is_child = [task.pathspec for task in self.task.child_tasks] == [current.pathspec]
        self.steps = sorted(step.id for step in self.own)
        self.graph = sorted(self._graph["start"].out_funcs), self._graph["end"].type
        self.namespace = get_namespace() == namespace(get_namespace())


if __name__ == "__main__":
    ClientFlow()
