from metaflow import FlowSpec, step
from metaflow.exception import UnhandledInMergeArtifactsException


class MergeArtifactsFlow(FlowSpec):
    @step
    def start(self):
        self.pass_down = "a"
        self.next(self.a, self.b)

    @step
    def a(self):
        self.common = 5
        self.x = 1
        self.y = 3
        self.from_a = 6
        self.next(self.join)

    @step
    def b(self):
        self.common = 5
        self.x = 2
        self.y = 4
        self.next(self.join)

    @step
    def join(self, inputs):
        try:
            self.merge_artifacts(inputs)
        except UnhandledInMergeArtifactsException as ex:
            self.conflicts = sorted(ex.artifact_names)
        self.x = inputs.a.x
        self.merge_artifacts(inputs, exclude=["y"])
        assert self.pass_down == "a"
        assert self.common == 5
        assert self.from_a == 6
        self.next(self.c)

    @step
    def c(self):
        self.next(self.d, self.e)

    @step
    def d(self):
        self.conflicting = 7
        self.next(self.join2)

    @step
    def e(self):
        self.conflicting = 8
        self.next(self.join2)

    @step
    def join2(self, inputs):
        self.merge_artifacts(inputs, include=["pass_down", "common", "conflicts"])
        self.has_x = hasattr(self, "x")
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    MergeArtifactsFlow()
