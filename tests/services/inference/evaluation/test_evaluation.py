"""Evaluations: what is held against the labels, by hand; and the whole operation over the wire."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from cli.evaluation_tables import figures_csv
from precordia.catalog import Lineage, ModelRef
from precordia.client import Connection
from precordia.dataset import LabelScheme, SplitRef, SplitRule
from precordia.errors import InvalidArgument
from precordia.evaluation import EvaluationWish, LabelAnswer, ThresholdChoice, ThresholdRule, evaluations_of
from precordia.manifest import Activation, Manifest, Task
from precordia.operation import Operation, OperationState
from precordia.prediction import Prediction, Score
from precordia.report import evaluation_page
from services.inference.datasets.label_spaces import columns_of, unasked_labels
from services.inference.datasets.split_scorer import PinnedWork
from services.inference.evaluation.documents import chosen, document
from services.inference.evaluation.held_answers import Held, held
from services.inference.evaluation.model_comparison import comparisons, over_datasets
from services.inference.evaluation.plan import Part
from services.inference.keeping.store import PlacedPrediction, Truth
from tests.services.inference import ecg_study
from tests.services.inference.graphs import contract, linear_graph

REPORTED, CHOOSING = SplitRef("study", "test", "s"), SplitRef("study", "train", "s")


def part(
    outputs: Sequence[str],
    *,
    task: Task = Task.MULTILABEL,
    model: str = "m",
    split: SplitRef = REPORTED,
    there: Sequence[str] = (),
    answers: tuple[LabelAnswer, ...] = (),
    thresholds: Mapping[str, float] | None = None,
    group: str = "g",
) -> Part:
    columns = columns_of(outputs, answers)
    return Part(
        PinnedWork(ModelRef(model, 1), split),
        chooses=False,
        first=100,
        records=50,
        snapshot_digest="sd",
        model_digest="md",
        task=task,
        outputs=tuple(outputs),
        label_group=group,
        columns=columns,
        unasked=unasked_labels(columns, set(there or outputs)) if task is not Task.REGRESSION else (),
        thresholds=thresholds or {},
        temperature=1.5,
    )


def answered(
    of: Part, rows: Sequence[tuple[Sequence[float], str]], *, first_patient: int = 0, values: Sequence[float] = ()
) -> Held:
    """Scores of each record and its labels, written together: "MI CD"; an empty text is known to be none."""
    placed = []
    for number, (scores, labels) in enumerate(rows):
        named = tuple(Score(name, value) for name, value in zip(of.outputs, scores, strict=True))
        prediction = Prediction(of.work.model.name, 1, "md", of.task, named, f"rec-{number}")
        true = {of.outputs[0]: values[number]} if values else {}
        truth = Truth(tuple(labels.split()), true, f"p{first_patient + number // 2}", True, 30.0 + number, "female")
        placed.append(PlacedPrediction(of.first + number, prediction, truth))
    return held(of, placed)


def wish(**more: Any) -> EvaluationWish:
    return EvaluationWish((ModelRef("m", 1),), (REPORTED,), draws=20, **more)


def test_an_output_without_a_counterpart_has_no_figures_and_its_calls_miss_what_is_true() -> None:
    of = part(("NORM", "CD", "HYP"), task=Task.MULTICLASS, there=("NORM", "CD", "STTC"))
    rows = [((0.7, 0.2, 0.1), "NORM"), ((0.1, 0.2, 0.7), "CD"), ((0.2, 0.7, 0.1), "CD"), ((0.8, 0.1, 0.1), "STTC")]
    found = document(answered(of, rows), wish(), None, {}, {})
    assert found["unasked"] == ["HYP"]
    assert list(found["per_class"]) == ["NORM", "CD"]
    assert found["metrics"]["accuracy"] == 0.5
    assert found["per_class"]["CD"]["sensitivity"] == 0.5
    assert found["per_class"]["NORM"]["ppv"] == 0.5  # what is called on a label that the model does not know stays in
    assert found["per_class"]["NORM"]["f1"] == pytest.approx(2 / 3)
    assert found["metrics"]["f1_weighted"] == pytest.approx((2 / 3 + 2 * 2 / 3) / 3)
    assert found["confusion"]["labels"] == ["NORM", "CD", "HYP"]
    assert found["confusion"]["matrix"] == [[1, 0, 0], [0, 1, 1], [0, 0, 0], [1, 0, 0]]


def test_outputs_that_answer_a_label_together_are_added_or_the_highest_counts() -> None:
    together = (LabelAnswer("RBBB", ("CRBBB", "IRBBB")),)
    rows = [((0.4, 0.3, 0.3), "RBBB"), ((0.9, 0.05, 0.05), ""), ((0.3, 0.2, 0.5), "IRBBB")]
    exclusive = answered(
        part(("X", "CRBBB", "IRBBB"), task=Task.MULTICLASS, there=("RBBB", "IRBBB"), answers=together), rows
    )
    assert exclusive.labels == ("X", "RBBB")
    assert exclusive.scores[:, 1] == pytest.approx([0.6, 0.1, 0.7])
    assert exclusive.truth[:, 1].tolist() == [1, 0, 1]
    assert exclusive.answers({}).called[:, 1].tolist() == [True, False, True]
    highest = answered(part(("X", "CRBBB", "IRBBB"), there=("RBBB",), answers=together), rows)
    assert highest.scores[:, 1] == pytest.approx([0.3, 0.05, 0.5])


def test_records_that_do_not_count_are_told_by_reason() -> None:
    of = part(("a",))
    refused = Prediction("m", 1, "md", None, error_reason="MISSING_LEAD", error_message="No V1.")
    scored = Prediction("m", 1, "md", of.task, (Score("a", 0.5),), "rec")
    known = Truth(("a",), {}, "p", True)
    unknown = Truth((), {}, "p", False)
    placed = [
        PlacedPrediction(100 + n, one, truth)
        for n, (one, truth) in enumerate([(refused, known), (scored, unknown), (scored, known), (refused, unknown)])
    ]
    read = held(of, placed)
    assert read.left_out == {"MISSING_LEAD": 2, "UNLABELLED": 1}
    assert read.rows.tolist() == [2]


TRAINED = [((0.9,), "a"), ((0.6,), "a"), ((0.5,), ""), ((0.4,), "a"), ((0.2,), ""), ((0.1,), "")]
TESTED = [((0.8,), "a"), ((0.56,), ""), ((0.54,), "a"), ((0.32,), "a"), ((0.25,), "")]


@pytest.mark.parametrize(
    ("rule", "target", "threshold"),
    [
        (ThresholdRule.F_MAX, 0.9, 0.3),  # F1 6/7 from 0.4 on: the middle between 0.4 and 0.2
        (ThresholdRule.YOUDEN, 0.9, 0.55),  # 2/3 + 1 from 0.6 on, the higher of two equals
        (ThresholdRule.SENSITIVITY, 0.6, 0.55),
        (ThresholdRule.SPECIFICITY, 0.6, 0.3),
    ],
)
def test_thresholds_of_one_split_decide_on_another(rule: ThresholdRule, target: float, threshold: float) -> None:
    choice = ThresholdChoice(CHOOSING, rule, target)
    limits = chosen(answered(part(("a",), split=CHOOSING), TRAINED), choice)
    assert limits.by_label == pytest.approx({"a": threshold})
    tested = answered(part(("a",), thresholds={"a": 0.05}), TESTED, first_patient=2)
    found = document(tested, wish(thresholds=choice), limits, {}, {})
    called = [scores[0] >= threshold for scores, _ in TESTED]
    hits = sum(call and label == "a" for call, (_, label) in zip(called, TESTED, strict=True))
    assert found["per_class"]["a"]["threshold"] == pytest.approx(threshold)
    assert found["per_class"]["a"]["sensitivity"] == hits / 3
    assert found["at_thresholds"]["a"]["sensitivity"] == hits / 3
    told = found["decided_by"]["chosen"]
    assert (told["rule"], told["dataset"], told["split"], told["n"]) == (rule.value, "study", "train", 6)
    assert told["shared_patients"] == 1
    assert told["target"] == (target if rule.has_target else None)
    assert found["decided_by"]["thresholds"] == pytest.approx({"a": threshold})


def test_of_classes_that_exclude_each_other_each_is_held_against_the_rest_at_its_threshold() -> None:
    of = part(("a", "b"), task=Task.MULTICLASS)
    rows = [((0.9, 0.1), "a"), ((0.4, 0.6), "b"), ((0.45, 0.55), "a"), ((0.2, 0.8), "b")]
    choice = ThresholdChoice(CHOOSING, ThresholdRule.SENSITIVITY, 1.0)
    limits = chosen(answered(part(("a", "b"), task=Task.MULTICLASS, split=CHOOSING), rows), choice)
    found = document(answered(of, rows), wish(thresholds=choice), limits, {}, {})
    assert limits.by_label == pytest.approx({"a": 0.425, "b": 0.575})
    assert found["metrics"]["accuracy"] == 0.75  # the highest score still decides for one class
    at = found["at_thresholds"]
    assert (at["a"]["sensitivity"], at["a"]["specificity"], at["b"]["ppv"]) == (1.0, 1.0, 1.0)


def test_a_label_that_no_threshold_can_be_chosen_for_is_named() -> None:
    of = part(("a", "b"), split=CHOOSING)
    limits = chosen(answered(of, [((0.5, 0.5), "a"), ((0.4, 0.4), "")]), ThresholdChoice(CHOOSING))
    assert (list(limits.by_label), limits.without) == (["a"], ("b",))


def test_subgroups_are_by_age_sex_and_quality() -> None:
    of = part(("a",))
    rows = [((0.9,), "a"), ((0.1,), ""), ((0.2,), "a"), ((0.7,), "")]
    grades = {"rec-0": "good", "rec-1": "good", "rec-2": "poor"}
    found = document(answered(of, rows), wish(), None, grades, {"parameters": 5})["subgroups"]
    assert [(row["group"], row["n"], row["metrics"]["accuracy"]) for row in found["quality"]] == [
        ("good", 2, 1.0),
        ("poor", 1, 0.0),
        ("unknown", 1, 0.0),
    ]
    assert [(row["group"], row["n"]) for row in found["age"]] == [("18-39", 4)]
    assert [(row["group"], row["n"]) for row in found["sex"]] == [("female", 4)]


def test_values_have_subgroups_with_intervals_in_every_form() -> None:
    of = part(("qt",), task=Task.REGRESSION)
    truth = [400.0, 410.0, 420.0, 430.0, 440.0]
    off = [1.0, -1.0, 3.0, -3.0, 8.0]  # patients p0, p0, p1, p1, p2
    rows = [((value + error,), "") for value, error in zip(truth, off, strict=True)]
    grades = dict.fromkeys(("rec-0", "rec-1", "rec-2", "rec-3"), "good") | {"rec-4": "poor"}
    found = document(answered(of, rows, values=truth), wish(), None, grades, {})
    good, poor = found["subgroups"]["quality"]
    assert (good["group"], good["n"], good["patients"]) == ("good", 4, 2)
    assert good["per_class"]["qt"]["mae"] == pytest.approx(2.0)
    assert good["per_class"]["qt"]["intervals"]["mae"] == pytest.approx([1.0, 3.0])  # one of the patients twice
    assert (poor["n"], poor["per_class"]["qt"]["bias"]) == (1, pytest.approx(8.0))
    assert [(row["group"], row["n"]) for row in found["subgroups"]["sex"]] == [("female", 5)]
    assert [(row["group"], row["n"]) for row in found["subgroups"]["age"]] == [("18-39", 5)]
    lines = figures_csv([found]).decode().splitlines()
    assert "m,1,study,test,quality,good,n,4,," in lines
    assert any(line.startswith("m,1,study,test,quality,good: qt,mae,2.0,1.0,3.0") for line in lines)
    assert "m,1,study,test,quality,poor: qt,mae,8.0,," in lines
    page = evaluation_page([json.loads(json.dumps(found, allow_nan=False))])
    where = "/evaluations/0/subgroups/quality/0/per_class/qt"
    assert f'data-at="{where}/mae">2.000<' in page
    assert f'data-at="{where}/intervals/mae">1.000\N{EN DASH}3.000<' in page
    nothing = document(answered(of, []), wish(), None, {}, {})
    assert nothing["subgroups"] == {}


def test_two_models_are_compared_on_the_records_that_count_for_both() -> None:
    draw = np.random.default_rng(5)
    truth = ["a" if positive else "" for positive in draw.random(60) < 0.5]
    good = [((0.6 * (label == "a") + 0.4 * x, 0.4), label) for label, x in zip(truth, draw.random(60), strict=True)]
    poor = [((x, 0.4), label) for label, x in zip(truth, draw.random(60), strict=True)]
    first = answered(part(("a", "b"), model="good"), good)
    second = answered(part(("b", "a"), model="poor"), [((b, a), label) for (a, b), label in poor[:50]])
    (found,) = comparisons([(first, {}), (second, {})], draws=200)
    assert (found["first"], found["second"], found["n"], found["patients"]) == ("good:1", "poor:1", 50, 25)
    assert found["labels"] == ["a", "b"]
    change = found["bootstrap"]["auroc_macro"]
    assert change["first"] == 1.0
    assert change["difference"] == pytest.approx(change["second"] - 1.0)
    assert change["low"] <= change["difference"] <= change["high"] < 0
    assert change["p"] < 0.02
    assert found["delong"]["a"]["difference"] == pytest.approx(change["difference"])
    assert found["delong"]["b"] is None
    assert found["delong_assumes"] == "independent records"
    assert found["mcnemar"]["accuracy"] < 0.01


def test_what_cannot_be_compared_says_why() -> None:
    scores = answered(part(("a",)), TESTED)
    other_group = answered(part(("a",), model="n", group="h"), TESTED)
    other_labels = answered(part(("z",), model="n"), TESTED)
    values = answered(part(("a",), task=Task.REGRESSION, model="n"), TESTED, values=[1.0] * 5)
    for second, why in ((other_group, "groups"), (other_labels, "no label in common"), (values, "values")):
        (found,) = comparisons([(scores, {}), (second, {})], draws=10)
        assert why in found["undefined"]
    elsewhere = answered(part(("a",), model="n", split=CHOOSING), TESTED)
    assert comparisons([(scores, {}), (elsewhere, {})], draws=10) == []


def test_models_of_values_are_compared_by_their_errors() -> None:
    truth = [400.0 + n for n in range(10)]
    first = answered(part(("qt",), task=Task.REGRESSION), [((value + 10,), "") for value in truth], values=truth)
    second = answered(
        part(("qt",), task=Task.REGRESSION, model="n"), [((value - 4,), "") for value in truth], values=truth
    )
    (found,) = comparisons([(first, {}), (second, {})], draws=50)
    assert found["mae"]["qt"] == {"first": 10, "second": 4, "difference": -6, "low": -6, "high": -6}
    figures = document(first, wish(), None, {}, {})
    assert figures["metrics"]["mae"] == pytest.approx(10)


def test_figures_over_datasets_are_those_of_table_3() -> None:
    def of(model: str, dataset: str, f1: float | None) -> dict[str, Any]:
        return {"model": model, "version": 1, "dataset": dataset, "split": "", "metrics": {"f1_macro": f1}}

    figures = [0.6, 0.7, 0.9]
    documents = [of("m", f"d{n}", value) for n, value in enumerate(figures)]
    documents += [of("n", f"d{n}", value - 0.1 * n - 0.1) for n, value in enumerate(figures)]
    found = over_datasets(documents)
    summed = found["models"][0]["metrics"]["f1_macro"]
    assert found["models"][0]["datasets"] == ["d0", "d1", "d2"]
    assert summed["mean"] == pytest.approx(2.2 / 3)
    assert (summed["median"], summed["q1"], summed["q3"]) == pytest.approx((0.7, 0.65, 0.8))
    assert summed["iqr"] == pytest.approx(0.15)
    assert summed["cv"] == pytest.approx(np.std(figures, ddof=1) / np.mean(figures))
    # differences -0.1, -0.2, -0.3: t = -2 sqrt(3) with two degrees of freedom
    assert found["paired_t"][0]["metrics"]["f1_macro"] == pytest.approx(0.07418, abs=1e-5)
    assert over_datasets(documents[:1]) == {}


@pytest.mark.parametrize(
    "said",
    [
        {"models": ()},
        {"splits": (REPORTED, REPORTED)},
        {"models": (ModelRef("m"), ModelRef("m"))},
        {"draws": -1},
        {"thresholds": ThresholdChoice(REPORTED)},
        {"models": tuple(ModelRef(f"m{n}") for n in range(65))},
    ],
)
def test_wishes_that_cannot_be_met_are_refused(said: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument):
        EvaluationWish(**({"models": (ModelRef("m"),), "splits": (REPORTED,)} | said))


@pytest.mark.parametrize("text", ["best", "fmax=0.9", "sensitivity=x", "", "specificity="])
def test_rules_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(InvalidArgument):
        ThresholdChoice.parse_rule(text)


def test_rules_and_answers_are_read_as_people_write_them() -> None:
    assert ThresholdChoice.parse_rule("sensitivity=0.95") == (ThresholdRule.SENSITIVITY, 0.95)
    assert ThresholdChoice.parse_rule("specificity") == (ThresholdRule.SPECIFICITY, 0.9)
    assert ThresholdChoice.parse_rule("youden") == (ThresholdRule.YOUDEN, 0.9)
    assert LabelAnswer.parse("RBBB=CRBBB+IRBBB") == LabelAnswer("RBBB", ("CRBBB", "IRBBB"))
    for target in (0.0, 1.1, float("nan")):
        with pytest.raises(InvalidArgument):
            ThresholdChoice(REPORTED, ThresholdRule.SENSITIVITY, target)
    for text in ("RBBB", "=A", "A=", "A=B+"):
        with pytest.raises(InvalidArgument):
            LabelAnswer.parse(text)


def test_a_wish_comes_back_from_the_operations_record() -> None:
    choice = ThresholdChoice(CHOOSING, ThresholdRule.SPECIFICITY, 0.8, store=True)
    whole = EvaluationWish(
        (ModelRef("m", 1), ModelRef("n", alias="prod")),
        (REPORTED, SplitRef("other")),
        "g",
        choice,
        (LabelAnswer("RBBB", ("A", "B")),),
        7,
    )
    assert EvaluationWish.from_json(json.loads(json.dumps(whole.to_json()))) == whole
    plain = EvaluationWish((ModelRef("m"),), (REPORTED,))
    assert EvaluationWish.from_json(plain.to_json()) == plain


async def _finished(precordia: Connection, operation: Operation) -> Mapping[str, Any]:
    ended = await precordia.inference.operations.wait(operation.operation_id)
    assert ended.state is OperationState.SUCCEEDED, ended.error_message
    return ended.result


def _weak_model() -> tuple[bytes, Manifest]:
    """Scores UP by lead V1, which says nothing, and DOWN not at all."""
    weights = np.zeros((12, 2))
    weights[6] = (40.0, 0.0)
    return linear_graph(weights, np.zeros(2)), contract("UP", "DOWN", activation=Activation.SIGMOID)


async def test_models_on_datasets_with_thresholds_from_elsewhere(precordia: Connection) -> None:
    graph, manifest = ecg_study.way_model()
    await precordia.registry.publish("way", manifest, {"model.onnx": graph}, Lineage("imported"))
    graph, manifest = _weak_model()
    await precordia.registry.publish("weak", manifest, {"model.onnx": graph}, Lineage("imported"))
    await precordia.registry.set_operating_points("weak", 1, json.dumps({"temperature": 2.0}))
    splits = (SplitRule("train", ("1", "2")), SplitRule("test", ("3", "4")))
    for name, records in (("one", 40), ("two", 24)):
        await precordia.ingest.import_source(ecg_study.study(records), ecg_study.HINTS, name)
        await precordia.ingest.import_labels(name, "labels.csv", ecg_study.labels(records), LabelScheme.TABLE)
        await precordia.ingest.create_snapshot(name, splits)
    choice = ThresholdChoice(SplitRef("one", "train"), ThresholdRule.YOUDEN, store=True)
    asked = EvaluationWish(
        (ModelRef("way"), ModelRef("weak")),
        (SplitRef("one", "test"), SplitRef("two", "test")),
        thresholds=choice,
        draws=50,
    )
    started = await precordia.inference.evaluate_all(asked)
    result = await _finished(precordia, started)
    evaluations = evaluations_of(result)
    order = [(one["model"], one["dataset"], one["split"]) for one in evaluations]
    assert order == [("way", "one", "test"), ("weak", "one", "test"), ("way", "two", "test"), ("weak", "two", "test")]
    way, weak = evaluations[:2]
    assert way["per_class"]["UP"]["auroc"] == 1.0
    assert way["cost"]["parameters"] == 12 * 3 + 3
    assert way["cost"]["multiply_adds"] == 12 * 3
    assert way["cost"]["latency_ms"] > 0
    assert way["decided_by"]["chosen"]["shared_patients"] == 0
    assert weak["decided_by"]["temperature"] == 2.0
    assert weak["per_class"]["UP"]["auroc"] < 0.95
    quality = way["subgroups"]["quality"]
    assert sum(row["n"] for row in quality) == way["n"]
    assert {row["group"] for row in quality} != {"unknown"}
    assert [(one["dataset"], one["first"], one["second"]) for one in result["comparisons"]] == [
        ("one", "way:1", "weak:1"),
        ("two", "way:1", "weak:1"),
    ]
    compared = result["comparisons"][0]
    assert compared["labels"] == ["UP", "DOWN"]
    up = weak["per_class"]["UP"]["auroc"]
    assert compared["delong"]["UP"]["difference"] == pytest.approx(up - 1.0)
    mean = (way["metrics"]["auroc_macro"] + evaluations[2]["metrics"]["auroc_macro"]) / 2
    assert result["over_datasets"]["models"][0]["metrics"]["auroc_macro"]["mean"] == pytest.approx(mean)
    points = json.loads((await precordia.registry.get(ModelRef("weak"))).operating_points_json)
    assert points == {"temperature": 2.0, "thresholds": weak["decided_by"]["thresholds"]}
    scored = [one async for one in precordia.inference.scored(started.operation_id)]
    assert len(scored) == 2 * (20 + way["n"] + evaluations[2]["n"])
    first = scored[0]
    assert first.truth is not None
    assert (first.split, first.truth.labelled) == (SplitRef("one", "train"), True)
    level = ecg_study.level_ii(40)[int(first.prediction.tag) - ecg_study.FIRST_ID]
    assert first.truth.labels == ("UP",) if level > 0 else ("DOWN",)
    assert [one async for one in precordia.inference.kept()] == []


async def test_what_cannot_be_measured_is_said_before_anything_is_scored(precordia: Connection) -> None:
    graph, manifest = ecg_study.way_model()
    await precordia.registry.publish("way", manifest, {"model.onnx": graph}, Lineage("imported"), ("prod",))
    await precordia.ingest.import_source(ecg_study.study(8), ecg_study.HINTS, "one")
    await precordia.ingest.import_labels("one", "labels.csv", ecg_study.labels(8), LabelScheme.TABLE)
    await precordia.ingest.create_snapshot("one")
    asked = EvaluationWish((ModelRef("way"), ModelRef("way", alias="prod")), (SplitRef("one"),))
    ended = await precordia.inference.operations.wait((await precordia.inference.evaluate_all(asked)).operation_id)
    assert (ended.state, ended.error_reason, ended.done) == (OperationState.FAILED, "INVALID_ARGUMENT", 0)
    assert "same version" in ended.error_message
    slip = EvaluationWish((ModelRef("way"),), (SplitRef("one"),), answers=(LabelAnswer("UP", ("UP", "UPP")),))
    ended = await precordia.inference.operations.wait((await precordia.inference.evaluate_all(slip)).operation_id)
    assert (ended.state, ended.error_reason, ended.done) == (OperationState.FAILED, "INVALID_ARGUMENT", 0)
    assert "UPP" in ended.error_message
    assert "there are: UP, DOWN" in ended.error_message
