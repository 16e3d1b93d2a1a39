import os

from metaflow import S3, FlowSpec, step
from metaflow.plugins.datatools.s3 import MetaflowS3NotFound


class S3DemoFlow(FlowSpec):
    @step
    def start(self):
        with S3(run=self) as s3:
            self.url = s3.put("example_object", "hello world")
            s3.put_many([("more/%d" % number, "value %d" % number) for number in range(3)])
        self.next(self.end)

    @step
    def end(self):
        with S3(run=self) as s3:
            s3obj = s3.get("example_object")
            self.text = s3obj.text
            self.is_local = os.path.exists(s3obj.path)
            self.values = sorted(obj.text for obj in s3.get_recursive(["more"]))
            try:
                s3.get("nothing")
            except MetaflowS3NotFound:
                self.missing = s3.get("nothing", return_missing=True).exists
        with S3() as s3:
            self.size = s3.info(self.url).size


if __name__ == "__main__":
    S3DemoFlow()
