from metaflow import FlowSpec, current, exit_hook, namespaced_event_name, project, schedule, step, trigger


def celebrate(run):
    print("hooray", run.pathspec)


def mourn(run):
    print("alas", run.pathspec)


@exit_hook(on_success=[celebrate], on_error=[mourn])
@trigger(events=["data_updated", namespaced_event_name("model_ready")])
@schedule(daily=True)
@project(name="example_project")
class ProjectFlow(FlowSpec):
    @step
    def start(self):
        self.names = (current.project_name, current.branch_name, current.is_production, current.is_user_branch)
        self.flow_name = current.project_flow_name
        self.trigger = current.trigger
        self.next(self.end)

    @step
    def end(self):
        print("project flow", self.flow_name)


if __name__ == "__main__":
    ProjectFlow()
