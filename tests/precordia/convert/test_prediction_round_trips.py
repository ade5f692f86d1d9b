"""Every value comes back from its message as it was: predictions, evaluations, traffic."""

from dataclasses import replace
from datetime import timedelta

import pytest

from precordia.catalog import ModelRef
from precordia.dataset import (
    SplitRef,
)
from precordia.errors import InvalidArgument
from precordia.evaluation import EvaluationWish, LabelAnswer, ThresholdChoice, ThresholdRule
from precordia.manifest import Task
from precordia.prediction import (
    FilePrediction,
    KeptPrediction,
    KeptQuery,
    LoadedModel,
    PredictInput,
    Prediction,
    Priority,
    RecordTruth,
    Score,
    ScoredRecord,
)
from precordia.record import Sex
from precordia.rpc.convert import (
    evaluation,
    prediction,
    traffic,
)
from precordia.traffic import Comparison, ScoreDifference, Traffic, TrafficRule, TrafficSide
from precordia.v1 import inference_pb2
from tests.precordia.convert.values import NOON, REMARK, STORED


@pytest.mark.parametrize("priority", list(Priority))
def test_a_priority_comes_back(priority: Priority) -> None:
    assert prediction.priority_from_proto(prediction.priority_to_proto(priority)) is priority


def test_an_unset_priority_is_routine() -> None:
    assert prediction.priority_from_proto(inference_pb2.PRIORITY_UNSPECIFIED) is Priority.ROUTINE


def test_an_input_by_recording_comes_back() -> None:
    back = prediction.predict_input_from_proto(
        prediction.predict_input_to_proto(PredictInput("r-1", age_years=0.0, sex=Sex.MALE, tag="t"))
    )
    assert (back.recording_id, back.signal, back.age_years, back.sex, back.tag) == ("r-1", None, 0.0, Sex.MALE, "t")


@pytest.mark.parametrize("message", [inference_pb2.PredictInput(), inference_pb2.PredictInput(recording_id="")])
def test_an_input_of_nothing_is_refused(message: inference_pb2.PredictInput) -> None:
    with pytest.raises(InvalidArgument):
        prediction.predict_input_from_proto(message)


@pytest.mark.parametrize("revision", [None, 0, 7])
def test_no_operating_points_are_not_the_same_as_points_that_nobody_noted(revision: int | None) -> None:
    scored = Prediction("net", 2, "ab", Task.MULTILABEL, (Score("MI", 0.5),), operating_points_revision=revision)
    back = prediction.prediction_from_proto(prediction.prediction_to_proto(scored))
    assert back.operating_points_revision == revision


def test_scores_come_back_and_a_threshold_of_zero_is_one() -> None:
    scores = (Score("NORM", 0.25, "426783006", "", 0.0), Score("age", 61.0, unit="a"))
    scored = Prediction("net", 2, "ab", Task.MULTILABEL, scores, "r-1", "t", (REMARK,), "cd" * 32, NOON, windows=3)
    assert prediction.prediction_from_proto(prediction.prediction_to_proto(scored)) == scored


def test_an_input_that_could_not_be_scored_comes_back_with_its_reason() -> None:
    failed = Prediction("net", 2, "ab", None, error_reason="MISSING_LEAD", error_message="V1 is not there.", windows=0)
    assert prediction.prediction_from_proto(prediction.prediction_to_proto(failed)) == failed


def test_a_scored_file_and_kept_answers_come_back() -> None:
    said = Prediction("mi", 3, "ee", Task.MULTILABEL, (Score("MI", 0.5),), "r-1", "17", (REMARK,), "ff", NOON, 2)
    file = FilePrediction((STORED,), True, (said,))
    assert prediction.file_prediction_from_proto(prediction.file_prediction_to_proto(file)) == file
    kept = KeptPrediction(7, said, "op-1")
    assert prediction.kept_prediction_from_proto(prediction.kept_prediction_to_proto(kept)) == kept


@pytest.mark.parametrize(
    "query",
    [
        KeptQuery(),
        KeptQuery("r-1", "mi", 3, "ee", NOON, NOON + timedelta(days=1), "MI", 0.0, "op-1"),
        KeptQuery(label="MI"),
    ],
)
def test_a_question_for_kept_answers_comes_back(query: KeptQuery) -> None:
    assert prediction.kept_query_from_proto(prediction.kept_query_to_proto(query)) == query


def test_a_least_score_without_its_label_is_refused() -> None:
    with pytest.raises(InvalidArgument) as refused:
        prediction.kept_query_from_proto(inference_pb2.ListKeptPredictionsRequest(at_least=0.5))
    assert refused.value.field == "label"


def test_a_page_of_an_evaluation_comes_back_with_what_is_true() -> None:
    said = Prediction("mi", 3, "ee", Task.MULTILABEL, (Score("MI", 0.5),), "r-1")
    plain = (ScoredRecord(said), ScoredRecord(said))
    assert prediction.scored_records_from_proto(prediction.scored_records_to_proto(plain, "9")) == plain
    truth = RecordTruth(True, ("MI", "CD"), {"qt": 400.5}, "p-1")
    told = (
        ScoredRecord(said, SplitRef("study", "test"), truth),
        ScoredRecord(said, SplitRef("b"), RecordTruth(False)),
    )
    message = prediction.scored_records_to_proto(told, "9")
    assert message.next_page_token == "9"
    assert prediction.scored_records_from_proto(message) == told


@pytest.mark.parametrize("rule", list(ThresholdRule))
def test_an_evaluation_comes_back(rule: ThresholdRule) -> None:
    choice = ThresholdChoice(SplitRef("study", "train"), rule, 0.8, store=True)
    wish = EvaluationWish(
        (ModelRef("m", 1), ModelRef("n", alias="prod")),
        (SplitRef("study", "test", "s-1"), SplitRef("other")),
        "group",
        choice,
        (LabelAnswer("RBBB", ("CRBBB", "IRBBB")),),
        0,
    )
    message = evaluation.evaluation_to_proto(wish, "id")
    assert (message.request_id, evaluation.evaluation_from_proto(message)) == ("id", wish)


def test_an_evaluation_as_older_clients_ask_for_it_has_the_usual_draws() -> None:
    message = inference_pb2.EvaluateModelRequest(model={"name": "m"}, split={"dataset": "study"})
    assert evaluation.evaluation_from_proto(message) == EvaluationWish((ModelRef("m"),), (SplitRef("study"),))
    message.thresholds.split.dataset = "study"
    message.thresholds.split.split = "train"
    with pytest.raises(InvalidArgument):
        evaluation.evaluation_from_proto(message)
    message.thresholds.rule = inference_pb2.THRESHOLD_RULE_SENSITIVITY
    chosen = evaluation.evaluation_from_proto(message).thresholds
    assert chosen == ThresholdChoice(SplitRef("study", "train"), ThresholdRule.SENSITIVITY, 0.9)


def test_a_loaded_model_comes_back() -> None:
    held = LoadedModel(
        "net",
        2,
        "ab",
        ("prod",),
        ("CPUExecutionProvider",),
        8,
        2,
        1.5,
        3,
        64,
        100,
        1,
        2,
        {1: 3.5, 8: 20},
        {2: 9.5},
        4,
        2**33,
        7,
    )
    assert prediction.loaded_model_from_proto(prediction.loaded_model_to_proto(held)) == held


def test_a_rule_of_traffic_comes_back_with_its_counts() -> None:
    rule = TrafficRule(ModelRef("net", alias="prod"), 3, 2.5, 100.0)
    sides = [TrafficSide(10 * n, n, 1.5 * n, 9.5) for n in range(4)]
    outputs = (ScoreDifference("MI", 0.01, 0.25, 2),)
    compared = Comparison(*sides[1:3], skipped=3, compared=7, disagreements=1, outputs=(replace(outputs[0], name="X"),))
    told = Traffic(rule, NOON, *sides, skipped=4, compared=9, disagreements=2, outputs=outputs, by_canary=compared)
    assert traffic.traffic_from_proto(traffic.traffic_to_proto(told)) == told


def test_a_rule_without_alias_means_the_latest_and_shares_are_percentages() -> None:
    assert TrafficRule(ModelRef("net"), 1, 50).model == ModelRef("net", alias="latest")
    for wrong in ((ModelRef("net", 2), 1, 5.0), (ModelRef("net"), 1, 101.0), (ModelRef("net"), 0, 5.0)):
        with pytest.raises(InvalidArgument):
            TrafficRule(*wrong)
