"""Choose a learning rate: train one model for each, in parallel, and keep the one that does best on unseen wine."""

from pathlib import Path

import softmax

from metaflow_hera import FlowSpec, JSONType, Parameter, current, resources, retry, step


class TrainingFlow(FlowSpec):
    """Train a classifier of wines for several learning rates and keep the best."""

    rates = Parameter("rates", type=JSONType, default=[0.0003, 0.003, 0.03, 0.3], help="Learning rates to try")
    epochs = Parameter("epochs", default=5, help="Passes over the training data")
    seed = Parameter("seed", default=7, help="Decides the order of the data")

    @step
    def start(self):
        """Read the data and divide it."""
        file = Path(__file__).with_name("wine.csv")
        samples = softmax.shuffled(softmax.standardized(softmax.read(file)), self.seed)
        self.training, self.validation, self.test = samples[:100], samples[100:140], samples[140:]
        print(f"{len(samples)} samples of {len(samples[0].features)} measurements")
        self.next(self.train, foreach="rates")

    @retry(times=2, minutes_between_retries=1)
    @resources(cpu=1, memory=512)
    @step
    def train(self):
        """Train one model."""
        self.rate = self.input
        self.model = softmax.train(self.training, rate=self.rate, epochs=self.epochs, seed=self.seed)
        self.score = self.model.accuracy(self.validation)
        print(f"rate {self.rate}: {self.score:.1%} of the validation data")
        self.next(self.choose)

    @step
    def choose(self, inputs):
        """Keep the model with the best score; of equals, the one with the smallest rate."""
        self.scores = {branch.rate: branch.score for branch in inputs}
        best = max(inputs, key=lambda branch: (branch.score, -branch.rate))
        self.model, self.rate = best.model, best.rate
        self.merge_artifacts(inputs, include=["test"])
        self.next(self.end)

    @step
    def end(self):
        """Measure the chosen model on data that no choice has seen."""
        self.accuracy = self.model.accuracy(self.test)
        print(f"{current.flow_name}: rate {self.rate} reaches {self.accuracy:.1%} on the test data")


if __name__ == "__main__":
    TrainingFlow()
