"""The report of a run: figures of the finished network as it is served, whatever the task."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from sklearn import metrics as sk
from torch import Tensor, nn

from precordia.manifest import Manifest, Task
from precordia.report import card_markdown, training_page
from services.trainer.learning.loop import OutOfFold, Trained
from services.trainer.learning.scoring import predict_logits
from services.trainer.learning.window_outputs import WindowOutputs
from services.trainer.planning.plan import Plan
from services.trainer.publication.calibrating import fitted
from services.trainer.publication.report import run_report, short
from services.trainer.records.examples import Examples
from services.trainer.records.materials import Materials
from tests.services.trainer import synthetic

SAMPLES = round(synthetic.RATE_HZ * synthetic.DURATION_S)


class Means(nn.Module):
    """Logits that are the means of the first leads, times a factor: three is overconfident."""

    def __init__(self, outputs: int, factor: float = 3.0) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))
        self.outputs = outputs

    def forward(self, x_blt: Tensor) -> Tensor:
        return self.factor * x_blt[:, : self.outputs].mean(dim=2)


def part(count: int, task: Task, seed: int, outputs: int = 2) -> Examples:
    """Records whose lead means are noisy evidence of their targets; two records a patient."""
    generator = np.random.default_rng(seed)
    evidence = generator.normal(size=(count, outputs))
    if task is Task.REGRESSION:
        y = evidence + 0.1 * generator.normal(size=evidence.shape)
    elif task is Task.MULTICLASS:
        y = np.arange(outputs) == (evidence + generator.gumbel(size=evidence.shape)).argmax(axis=1)[:, None]
    else:
        y = generator.random(evidence.shape) < 1 / (1 + np.exp(-evidence))
    x = np.zeros((count, 12, SAMPLES), dtype=np.float32)
    x[:, :outputs] = evidence[:, :, None]
    return Examples(
        x,
        np.arange(count),
        y.astype(np.float32),
        np.zeros((count, 0), np.float32),
        [f"patient {row // 2}" for row in range(count)],
        [f"rec-{row}" for row in range(count)],
    )


@cache
def made(task: Task, *, folds: bool = False, factor: float = 3.0) -> dict[str, Any]:
    plan: Plan = synthetic.plan(synthetic.records(8))
    parts = {"train": part(200, task, 1), "test": part(150, task, 3)}
    if not folds:
        parts["validation"] = part(160, task, 2)
    scale = ((2.0, 10.0), (60.0, 400.0)) if task is Task.REGRESSION else ((), ())
    materials = Materials(task, parts, {}, *scale)
    network = Means(2, 1.0 if task is Task.REGRESSION else factor).eval()
    history = tuple({"epoch": i + 1, "epochs": 3, "train_loss": 1 / (i + 1), "validation_loss": 0.5} for i in range(3))
    out_of_fold = OutOfFold(parts["train"], predict_logits(network, parts["train"], 2)) if folds else None
    trained = Trained(network, history, 2, 0.005, {}, (), out_of_fold)
    finished: nn.Module = _InUnits(network) if task is Task.REGRESSION else network
    contract = Manifest.from_json(plan.manifest(task).to_json())
    report = run_report(plan, materials, trained, finished, contract)
    read: dict[str, Any] = json.loads(json.dumps(report, allow_nan=False))
    return read


class _InUnits(nn.Module):
    """A finished network gives values in the unit of the targets."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x_blt: Tensor) -> Tensor:
        values: Tensor = self.network(x_blt) * torch.tensor([2.0, 10.0]) + torch.tensor([60.0, 400.0])
        return values


@pytest.mark.parametrize("task", list(Task))
def test_every_task_has_a_report_that_becomes_a_page_and_a_card(task: Task) -> None:
    report = made(task)
    assert report["task"] == task.value
    assert report["parts"]["validation"]["patients"] == 80
    assert [row["epoch"] for row in report["schedule"]] == [1, 2, 3]
    page = training_page(report)
    assert page.startswith("<!DOCTYPE html>")
    assert "Not a medical device." in card_markdown(report)
    facts = short(report)
    assert facts.keys() == {"validation", "test", "epochs", "kept_epoch"}
    assert "curves" not in json.dumps(facts)


@pytest.mark.parametrize("task", [Task.MULTICLASS, Task.MULTILABEL])
def test_an_overconfident_network_is_cooled_and_measured_as_it_is_served(task: Task) -> None:
    report = made(task)
    temperature = report["operating_points"]["temperature"]
    assert temperature == pytest.approx(3, rel=0.4)
    after, before = (report["calibration"]["parts"]["test"][when] for when in ("after", "before"))
    assert after["ece_macro"] < before["ece_macro"]
    assert after["log_loss"] < before["log_loss"]
    assert report["evaluations"]["test"]["metrics"]["ece_macro"] == pytest.approx(after["ece_macro"])


def test_thresholds_are_chosen_on_validation_and_reported_on_test() -> None:
    report = made(Task.MULTILABEL)
    thresholds = report["operating_points"]["thresholds"]
    assert thresholds.keys() == {"FAST", "WIDE"}
    test = part(150, Task.MULTILABEL, 3)
    logits = predict_logits(Means(2), test, 2) / report["operating_points"]["temperature"]
    called = 1 / (1 + np.exp(-logits)) >= [thresholds["FAST"], thresholds["WIDE"]]
    wanted = sk.f1_score(test.y, called, average="weighted")
    assert report["test"]["f1_weighted"] == pytest.approx(wanted)
    row = report["threshold_table"]["rules"]["f_max"]["FAST"]
    assert row["threshold"] == thresholds["FAST"]
    assert row["test"]["sensitivity"] == pytest.approx(sk.recall_score(test.y[:, 0], called[:, 0]))
    assert report["evaluations"]["test"]["per_class"]["FAST"]["threshold"] == thresholds["FAST"]


def test_where_the_highest_score_decides_no_threshold_is_served() -> None:
    report = made(Task.MULTICLASS)
    assert report["operating_points"].keys() == {"temperature"}
    assert report["threshold_table"]["served"] is None
    test = part(150, Task.MULTICLASS, 3)
    called = predict_logits(Means(2), test, 2).argmax(axis=1)
    assert report["test"]["accuracy"] == pytest.approx(sk.accuracy_score(test.y.argmax(axis=1), called))
    assert (
        report["evaluations"]["test"]["confusion"]["matrix"] == sk.confusion_matrix(test.y.argmax(1), called).tolist()
    )


def test_values_are_reported_in_their_unit() -> None:
    report = made(Task.REGRESSION)
    fast, wide = (report["test"]["per_output"][label] for label in ("FAST", "WIDE"))
    assert wide["mae"] == pytest.approx(5 * fast["mae"], rel=0.3)
    assert fast["mae"] == pytest.approx(2 * 0.1 * np.sqrt(2 / np.pi), rel=0.2)
    assert report["parts"]["train"]["values"]["WIDE"]["mean"] == pytest.approx(400, abs=3)
    assert "operating_points" not in report
    assert report["test"]["mae_macro"] == pytest.approx((fast["mae"] + wide["mae"]) / 2)


def test_with_folds_the_held_out_training_records_stand_for_validation() -> None:
    report = made(Task.MULTILABEL, folds=True)
    assert report["validated_on"] == "out_of_fold"
    assert report["validation"]["n"] == 200
    assert "validation" not in report["parts"]
    assert report["operating_points"]["temperature"] == pytest.approx(3, rel=0.4)
    assert "Out of fold" in training_page(report)
    values = made(Task.REGRESSION, folds=True)
    assert values["validation"]["per_output"]["WIDE"]["mae"] < 2


def test_a_label_with_too_few_validation_records_gets_no_threshold() -> None:
    logits, truth = np.random.default_rng(0).normal(size=(30, 2)), np.zeros((30, 2), dtype=np.uint8)
    truth[:10, 0], truth[0, 1] = 1, 1
    said = WindowOutputs(logits, np.arange(30))
    assert fitted(said, truth, ["often", "once"], exclusive=False).thresholds.keys() == {"often"}
