"""Scores of records are those that serving makes of the same windows, to the last figures of the report."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from precordia.manifest import Activation, Aggregation, Manifest, Task, WindowPolicy
from precordia.metrics.areas import auroc
from precordia.metrics.temperature import mean_log_loss, probabilities
from services.inference.scoring.scores import activate, aggregate
from services.trainer.learning.loop import Trained
from services.trainer.learning.losses import Criterion
from services.trainer.learning.scoring import validation_figures
from services.trainer.learning.window_outputs import WindowOutputs
from services.trainer.publication.calibrating import fitted
from services.trainer.publication.report import run_report
from services.trainer.records.examples import Examples
from services.trainer.records.materials import Materials
from tests.services.trainer import synthetic

TEMPERATURE = 1.7
EXCLUSIVE = {True: Activation.SOFTMAX, False: Activation.SIGMOID}


def served(
    raw: np.ndarray, counts: list[int], activation: Activation, aggregation: Aggregation, temperature: float
) -> np.ndarray:
    """Record by record, by the functions of the service that serves."""
    ends = np.cumsum([0, *counts])
    return np.array(
        [aggregate(activate(raw[first:last] / temperature, activation), aggregation) for first, last in pairwise(ends)]
    )


@pytest.mark.parametrize("aggregation", list(Aggregation))
@pytest.mark.parametrize("exclusive", [True, False])
def test_scores_of_records_of_one_and_of_three_windows_are_those_served(
    exclusive: bool, aggregation: Aggregation
) -> None:
    raw = 4 * np.random.default_rng(1).normal(size=(8, 3))
    counts = [1, 3, 1, 3]
    said = WindowOutputs(raw, np.repeat(np.arange(4), counts), aggregation)
    wanted = served(raw, counts, EXCLUSIVE[exclusive], aggregation, TEMPERATURE)
    given = said.scores(exclusive=exclusive, temperature=TEMPERATURE)
    np.testing.assert_allclose(given, wanted, rtol=1e-13)
    np.testing.assert_array_equal(given[[0, 2]], wanted[[0, 2]])
    by_logit_means = probabilities(
        np.array([part.mean(axis=0) for part in np.split(raw, [1, 4, 5])]) / TEMPERATURE, exclusive=exclusive
    )
    assert np.abs(given - by_logit_means)[[1, 3]].max() > 0.05  # the order of the two steps matters

    as_one = probabilities(said.logits(exclusive=exclusive, temperature=TEMPERATURE), exclusive=exclusive)
    if exclusive:
        wanted = wanted / wanted.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(as_one, wanted, rtol=1e-12)


def test_values_of_windows_are_averaged_as_they_are_or_the_largest_counts() -> None:
    raw, record = np.array([[1.0], [2.0], [6.0], [4.0]]), np.array([0, 1, 1, 1])
    assert WindowOutputs(raw, record).values().ravel().tolist() == [1.0, 4.0]
    assert WindowOutputs(raw, record, Aggregation.MAX).values().ravel().tolist() == [1.0, 6.0]


def test_a_record_of_one_window_is_its_window_to_the_last_bit() -> None:
    raw = np.random.default_rng(2).normal(size=(5, 2))
    for record in (np.arange(5), np.array([0, 1, 2, 3, 3])):
        said = WindowOutputs(raw, record)
        for exclusive in (True, False):
            np.testing.assert_array_equal(said.logits(exclusive=exclusive, temperature=3.0)[:3], raw[:3] / 3.0)
            wanted = probabilities(raw, exclusive=exclusive, temperature=3.0)[:3]
            np.testing.assert_array_equal(said.scores(exclusive=exclusive, temperature=3.0)[:3], wanted)
        np.testing.assert_array_equal(said.values()[:3], raw[:3])


def test_windows_that_are_all_sure_keep_finite_logits() -> None:
    raw = np.array([[800.0, -800.0], [800.0, -800.0], [-900.0, 900.0], [-900.0, 900.0]])
    said = WindowOutputs(raw, np.array([0, 0, 1, 1]))
    for exclusive in (True, False):
        assert np.isfinite(said.logits(exclusive=exclusive)).all()
        assert mean_log_loss(said.logits(exclusive=exclusive), np.eye(2), exclusive=exclusive) == pytest.approx(0)


def test_an_epoch_is_judged_by_the_scores_that_would_be_served() -> None:
    raw = np.array([[3.0], [-4.0], [-4.0], [0.4]])
    part = long_records(raw, [3, 1], np.array([[1], [0]], dtype=np.float32))
    row = validation_figures(Criterion(Task.MULTILABEL, 1), WindowOutputs(raw, part.record), part, ("A",))
    scores = served(raw, [3, 1], Activation.SIGMOID, Aggregation.MEAN, 1.0).ravel()
    assert row["validation_loss"] == pytest.approx(-(np.log(scores[0]) + np.log(1 - scores[1])) / 2)
    most = WindowOutputs(raw, part.record, Aggregation.MAX)
    assert validation_figures(Criterion(Task.MULTILABEL, 1), most, part, ("A",))["auroc_macro"] == 1.0
    assert row["auroc_macro"] == 0.0


class Says(nn.Module):
    """Logits are the first samples of the first leads."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.ones(()))
        self.outputs = outputs

    def forward(self, x_blt: Tensor) -> Tensor:
        return self.factor * x_blt[:, : self.outputs, 0]


def long_records(raw: np.ndarray, counts: list[int], y: np.ndarray) -> Examples:
    x = np.zeros((len(raw), 12, 8), dtype=np.float32)
    x[:, : raw.shape[1], 0] = raw
    people, count = [f"p{row}" for row in range(len(y))], len(y)
    return Examples(x, np.repeat(np.arange(count), counts), y, np.zeros((count, 0), np.float32), people, people)


def drawn(seed: int, *, exclusive: bool) -> tuple[Examples, np.ndarray, list[int]]:
    """Records of one or three windows; what is true of a record shows in one of its windows, too loudly."""
    generator = np.random.default_rng(seed)
    counts = [1 + 2 * (row % 2) for row in range(120)]
    raw = 3 * generator.normal(size=(sum(counts), 2)).astype(np.float32)
    evidence = served(raw.astype(float), counts, Activation.NONE, Aggregation.MAX, 3.0)
    noisy = evidence + generator.gumbel(size=evidence.shape)
    y = np.eye(2)[noisy.argmax(axis=1)] if exclusive else noisy > 1
    return long_records(raw, counts, y.astype(np.float32)), raw.astype(np.float64), counts


@pytest.mark.parametrize("aggregation", list(Aggregation))
@pytest.mark.parametrize("task", [Task.MULTICLASS, Task.MULTILABEL])
def test_the_reports_figures_and_operating_points_are_of_what_is_served(task: Task, aggregation: Aggregation) -> None:
    exclusive = task is Task.MULTICLASS
    plan = synthetic.plan(synthetic.records(8))
    parts = {"train": drawn(1, exclusive=exclusive)[0], "validation": drawn(2, exclusive=exclusive)[0]}
    test, raw, counts = drawn(3, exclusive=exclusive)
    contract = plan.manifest(task, activation=EXCLUSIVE[exclusive]).to_json()
    contract["windows"]["aggregation"] = aggregation.value
    manifest = Manifest.from_json(contract)
    assert manifest.windows == WindowPolicy(aggregation=aggregation)
    trained = Trained(Says(2), ({"epoch": 1, "epochs": 1, "train_loss": 1.0, "validation_loss": 1.0},), 1, 0.01)
    materials = Materials(task, {**parts, "test": test}, {})
    report = run_report(plan, materials, trained, Says(2).eval(), manifest)

    points = report["operating_points"]
    scores = served(raw, counts, EXCLUSIVE[exclusive], aggregation, points["temperature"])
    for column, label in enumerate(plan.labels):
        measured = report["evaluations"]["test"]["per_class"][label]["auroc"]
        assert measured == pytest.approx(auroc(test.y[:, column], scores[:, column]), abs=1e-12)
        if not exclusive:
            found = scores[:, column] >= points["thresholds"][label]
            sensitivity = found[test.y[:, column] == 1].mean()
            assert report["threshold_table"]["rules"]["f_max"][label]["test"]["sensitivity"] == sensitivity
    if exclusive:
        accuracy = (scores.argmax(axis=1) == test.y.argmax(axis=1)).mean()
        assert report["test"]["accuracy"] == pytest.approx(accuracy)
    told = report["calibration"]["parts"]["test"]["after"]["log_loss"]
    chances = scores / scores.sum(axis=1, keepdims=True) if exclusive else scores
    wanted = np.where(test.y == 1, np.log(chances), 0 if exclusive else np.log(1 - chances))
    assert told == pytest.approx(-(wanted.sum(axis=1) if exclusive else wanted).mean())


def test_the_temperature_is_the_best_one_of_served_scores() -> None:
    part, raw, counts = drawn(4, exclusive=False)
    truth = part.y.astype(np.uint8)
    found = fitted(WindowOutputs(raw, part.record), truth, ("A", "B"), exclusive=False).temperature
    assert found is not None

    def loss(temperature: float) -> float:
        scores = served(raw, counts, Activation.SIGMOID, Aggregation.MEAN, temperature)
        return float(-np.where(truth == 1, np.log(scores), np.log(1 - scores)).mean())

    assert loss(found) < min(loss(0.98 * found), loss(1.02 * found))
