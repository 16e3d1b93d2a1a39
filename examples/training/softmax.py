"""Softmax regression in plain Python: small enough to read, good enough for the wine data."""

from __future__ import annotations

import csv
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

Vector = tuple[float, ...]


@dataclass(frozen=True)
class Sample:
    """One bottle: its measurements and the cultivar it was made from."""

    features: Vector
    label: int


@dataclass(frozen=True)
class Model:
    """One weight vector per class; the last weight of each is its bias."""

    weights: tuple[Vector, ...]

    def predict(self, features: Vector) -> int:
        return max(range(len(self.weights)), key=self.scores(features).__getitem__)

    def scores(self, features: Vector) -> Vector:
        inputs = (*features, 1.0)
        return tuple(sum(w * x for w, x in zip(row, inputs, strict=True)) for row in self.weights)

    def accuracy(self, samples: Sequence[Sample]) -> float:
        return sum(self.predict(sample.features) == sample.label for sample in samples) / len(samples)


def read(file: Path) -> list[Sample]:
    """The rows of a csv file with a header, the class in the last column, counted from 1."""
    with file.open(newline="") as lines:
        rows = csv.reader(lines)
        next(rows)
        return [Sample(tuple(map(float, row[:-1])), int(row[-1]) - 1) for row in rows]


def standardized(samples: Sequence[Sample]) -> list[Sample]:
    """The samples with each feature at mean 0 and standard deviation 1."""
    columns = list(zip(*(sample.features for sample in samples), strict=True))
    means = [sum(column) / len(column) for column in columns]
    deviations = [
        math.sqrt(sum((value - mean) ** 2 for value in column) / len(column)) or 1.0
        for column, mean in zip(columns, means, strict=True)
    ]
    return [
        Sample(tuple((x - m) / d for x, m, d in zip(s.features, means, deviations, strict=True)), s.label)
        for s in samples
    ]


def shuffled(samples: Sequence[Sample], seed: int) -> list[Sample]:
    mixed = list(samples)
    random.Random(seed).shuffle(mixed)
    return mixed


def train(samples: Sequence[Sample], *, rate: float, epochs: int, seed: int) -> Model:
    """Stochastic gradient descent on the cross entropy; the same arguments give the same model."""
    classes = 1 + max(sample.label for sample in samples)
    weights = [[0.0] * (len(samples[0].features) + 1) for _ in range(classes)]
    for epoch in range(epochs):
        for sample in shuffled(samples, seed + epoch):
            _descend(weights, sample, rate)
    return Model(tuple(map(tuple, weights)))


def _descend(weights: list[list[float]], sample: Sample, rate: float) -> None:
    inputs = (*sample.features, 1.0)
    scores = [sum(w * x for w, x in zip(row, inputs, strict=True)) for row in weights]
    highest = max(scores)
    odds = [math.exp(score - highest) for score in scores]
    total = sum(odds)
    for label, row in enumerate(weights):
        error = odds[label] / total - (label == sample.label)
        for index, x in enumerate(inputs):
            row[index] -= rate * error * x
