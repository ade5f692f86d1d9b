"""Inference as its callers see it: over the wire, beside a real registry and a real ingest."""

from __future__ import annotations

import asyncio
import hashlib
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from precordia.catalog import Lineage, ModelRef
from precordia.client import Connection
from precordia.dataset import LabelScheme, SplitRef, SplitRule
from precordia.errors import (
    DeadlineExceeded,
    InvalidArgument,
    ModelNotFound,
    OperationNotFound,
    Overloaded,
    PrecordiaError,
)
from precordia.manifest import Manifest, Task
from precordia.operation import Operation, OperationState
from precordia.prediction import LoadedModel, PredictInput, Priority
from precordia.signal import condition
from services.inference.predicting.answering import Answering
from tests.services.inference import ecg_study
from tests.services.inference.conftest import Runs
from tests.services.inference.graphs import bias_graph, contract, levels

WAY, SLOW = ModelRef("way"), ModelRef("slow")


async def publish(precordia: Connection, name: str, graph: bytes, manifest: Manifest, *aliases: str) -> None:
    await precordia.registry.publish(name, manifest, {"model.onnx": graph}, Lineage("imported"), aliases)


async def kept_study(precordia: Connection, records: int = 40, **table: int) -> list[str]:
    """The study, imported, labelled and frozen; ids of its recordings in the file's order."""
    answer = await precordia.ingest.import_source(ecg_study.study(records), ecg_study.HINTS, "study")
    content = ecg_study.labels(records, **table)
    await precordia.ingest.import_labels("study", "labels.csv", content, LabelScheme.TABLE)
    await precordia.ingest.create_snapshot("study", (SplitRule("train", ("1", "2")), SplitRule("test", ("3", "4"))))
    return [recording.recording_id for recording in answer.recordings]


async def finished(precordia: Connection, operation: Operation) -> Operation:
    async with asyncio.timeout(240):
        return await precordia.inference.operations.wait(operation.operation_id)


async def test_stored_and_inline_ecgs_get_the_scores_that_follow_from_them(precordia: Connection) -> None:
    graph, manifest = ecg_study.way_model()
    await publish(precordia, "way", graph, manifest)
    ids = await kept_study(precordia, 8)
    inputs = [PredictInput(recording_id=ids[2], tag="stored"), PredictInput(signal=levels(0.25), tag="inline")]
    stored, inline = await precordia.inference.predict(WAY, inputs, Priority.STAT)
    level = ecg_study.level_ii(8)[2]
    assert stored.score("UP") == pytest.approx(1 / (1 + np.exp(-6 * level)), abs=0.01)
    assert (stored.recording_id, stored.tag) == (ids[2], "stored")
    assert inline.score("UP") == pytest.approx(1 / (1 + np.exp(-1.5)), abs=1e-6)
    assert inline.score("UP") + inline.score("DOWN") == pytest.approx(1.0)
    assert (inline.model, inline.version, inline.task) == ("way", 1, Task.MULTILABEL)
    signal, _ = await precordia.ingest.signal(ids[2])
    assert stored.input_sha256 == hashlib.sha256(condition(signal, manifest).x.tobytes()).hexdigest()


async def test_an_input_that_cannot_be_scored_does_not_spoil_its_neighbours(precordia: Connection) -> None:
    graph, manifest = ecg_study.way_model()
    await publish(precordia, "way", graph, manifest)
    inputs = [PredictInput(recording_id="rec-0000000000000000"), PredictInput(signal=levels(0.1))]
    missing, scored = await precordia.inference.predict(WAY, inputs)
    assert missing.error_reason == "RECORDING_NOT_FOUND"
    assert not scored.error_reason
    assert scored.scores


async def test_an_input_that_cannot_be_read_does_not_spoil_its_neighbours(precordia: Connection) -> None:
    graph, manifest = ecg_study.way_model()
    await publish(precordia, "way", graph, manifest)
    good = PredictInput(signal=levels(0.1), tag="good")
    ageless = PredictInput(signal=levels(0.1), age_years=999.0, tag="ageless")
    endless = PredictInput(signal=levels(float("inf")), tag="endless")
    found = await precordia.inference.predict(WAY, [good, ageless, endless, PredictInput(tag="empty"), good])
    assert [one.error_reason for one in found] == ["", *["INVALID_ARGUMENT"] * 3, ""]
    assert [one.tag for one in found] == ["good", "ageless", "endless", "empty", "good"]
    assert "0 to 150 years" in found[1].error_message
    assert found[0].scores == found[4].scores == (await precordia.inference.predict(WAY, [good]))[0].scores
    with pytest.raises(InvalidArgument, match="years"):
        await precordia.inference.predict(WAY, [ageless, endless])


async def test_what_is_not_there_is_a_typed_error(precordia: Connection) -> None:
    with pytest.raises(ModelNotFound):
        await precordia.inference.predict(WAY, [PredictInput(signal=levels(0.1))])
    with pytest.raises(ModelNotFound):
        await precordia.inference.predict_dataset(WAY, SplitRef("study"))
    with pytest.raises(InvalidArgument):
        await precordia.inference.predict(WAY, [])
    with pytest.raises(OperationNotFound):
        _ = [one async for one in precordia.inference.predictions("no-such-operation")]


async def test_models_are_loaded_listed_and_unloaded(precordia: Connection) -> None:
    graph, manifest = ecg_study.way_model()
    await publish(precordia, "way", graph, manifest, "champion")
    loaded = await precordia.inference.load(ModelRef("way", alias="champion"))
    assert (loaded.name, loaded.version, loaded.aliases) == ("way", 1, ("champion",))
    assert loaded.providers == ("CPUExecutionProvider",)
    assert (loaded.max_batch, loaded.sessions, loaded.queue_capacity) == (loaded.max_batch, 1, 256)
    assert set(loaded.measured_ms) >= {1, 2, 4}
    assert [model.digest for model in await precordia.inference.loaded()] == [loaded.digest]
    await precordia.inference.unload(ModelRef("way", alias="champion"))
    assert await precordia.inference.loaded() == []


async def test_an_alias_moves_under_load_without_an_error(precordia: Connection) -> None:
    for value in (1.0, 2.0):
        await publish(precordia, "m", bias_graph(value), contract("a", task=Task.REGRESSION))
    await precordia.registry.set_alias("m", "champion", 1)
    champion, answers, moving = ModelRef("m", alias="champion"), [], True

    async def caller() -> None:
        while moving:
            (prediction,) = await precordia.inference.predict(champion, [PredictInput(signal=levels(0.0))])
            answers.append((prediction.version, prediction.score("a")))

    callers = [asyncio.create_task(caller()) for _ in range(6)]
    for version in (2, 1, 2):
        seen = len(answers)
        await precordia.registry.set_alias("m", "champion", version)
        async with asyncio.timeout(120):
            while not answers[seen:] or answers[-1][0] != version:
                await asyncio.sleep(0.01)
    moving = False
    await asyncio.gather(*callers)
    assert set(answers) == {(1, 1.0), (2, 2.0)}


async def test_a_deadline_ends_the_wait_and_the_work(precordia: Connection, runs: Runs) -> None:
    await publish(precordia, "slow", *ecg_study.slow_model(64))
    await precordia.inference.load(SLOW)
    runs.shut()
    asked = 0
    for patience_s in (0.7, 5, 40):  # until the work had begun before its deadline
        with pytest.raises(DeadlineExceeded):
            await precordia.inference.predict(SLOW, [PredictInput(signal=levels(0.1))] * 100, timeout_s=patience_s)
        asked += 100
        if runs.one_waits:
            break
    runs.open()
    after = await _settled(precordia, range(100, asked + 1, 100))
    assert after.dropped_expired + after.dropped_cancelled > 0
    assert after.executed <= after.max_batch  # what had begun


async def test_a_caller_who_hangs_up_frees_the_queue(
    precordia: Connection, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    await publish(precordia, "slow", *ecg_study.slow_model(64))
    await precordia.inference.load(SLOW)
    predict, over = Answering.predict, asyncio.Event()

    async def told(*arguments: Any, **more: Any) -> Any:
        try:
            return await predict(*arguments, **more)
        finally:
            over.set()

    monkeypatch.setattr(Answering, "predict", told)
    runs.shut()
    call = asyncio.create_task(precordia.inference.predict(SLOW, [PredictInput(signal=levels(0.1))] * 100))
    await runs.until_one_waits()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    async with asyncio.timeout(60):
        await over.wait()
    runs.open()
    after = await _settled(precordia, [100])
    assert after.dropped_cancelled > 0
    assert after.executed + after.dropped_cancelled == 100
    assert after.executed <= after.max_batch  # what had begun


async def _settled(precordia: Connection, counts: Sequence[int]) -> LoadedModel:
    """The only model, once nothing waits and the ECGs that left its queue are so many; a run counts when it ends."""
    async with asyncio.timeout(60):
        while True:
            (model,) = await precordia.inference.loaded()
            left = model.executed + model.dropped_expired + model.dropped_cancelled
            if not model.queue_depth and left in counts:
                return model
            await asyncio.sleep(0.02)


async def test_a_full_queue_says_when_to_come_back(precordia: Connection, runs: Runs) -> None:
    await publish(precordia, "slow", *ecg_study.slow_model(64))
    await precordia.inference.load(SLOW)
    runs.shut()
    inputs = [PredictInput(signal=levels(0.1))] * 150
    calls = [asyncio.create_task(precordia.inference.predict(SLOW, inputs, timeout_s=240)) for _ in range(4)]
    done, _ = await asyncio.wait(calls, return_when=asyncio.FIRST_EXCEPTION)
    runs.open()
    refusals = [error for call in done if isinstance(error := call.exception(), Overloaded)]
    assert refusals
    assert all(refusal.retry_after_s >= 0.05 for refusal in refusals)
    for call in calls:
        call.cancel()
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(one, tuple | PrecordiaError | asyncio.CancelledError) for one in outcomes)


async def test_a_split_is_predicted_in_order_and_listed_by_page(precordia: Connection) -> None:
    graph, manifest = ecg_study.way_model()
    await publish(precordia, "way", graph, manifest)
    await kept_study(precordia, 150)
    operation = await finished(precordia, await precordia.inference.predict_dataset(WAY, SplitRef("study")))
    assert operation.state is OperationState.SUCCEEDED, operation.error_message
    assert operation.result["predicted"] == 150
    assert operation.result["refused"] == {}
    assert (operation.done, operation.total) == (150, 150)
    predictions = [one async for one in precordia.inference.predictions(operation.operation_id)]
    expected = 1 / (1 + np.exp(-6 * ecg_study.level_ii(150)))
    assert sorted(one.tag for one in predictions) == [str(ecg_study.FIRST_ID + n) for n in range(150)]
    for one in predictions:
        assert one.score("UP") == pytest.approx(expected[int(one.tag) - ecg_study.FIRST_ID], abs=0.01)


async def test_the_same_request_is_the_same_operation(precordia: Connection) -> None:
    graph, manifest = ecg_study.way_model()
    await publish(precordia, "way", graph, manifest)
    await kept_study(precordia, 8)
    request_id = "9a0f3d4e-5f6c-4a0c-9a35-1c2d3e4f5a6b"
    first = await precordia.inference.predict_dataset(WAY, SplitRef("study"), request_id)
    again = await precordia.inference.predict_dataset(WAY, SplitRef("study"), request_id)
    assert first.operation_id == again.operation_id
    await finished(precordia, first)


async def test_an_evaluation_reports_what_the_labels_say(precordia: Connection) -> None:
    graph, manifest = ecg_study.way_model()
    await publish(precordia, "way", graph, manifest)
    await kept_study(precordia, 40, wrong=2, unlabelled=4)
    operation = await finished(precordia, await precordia.inference.evaluate(WAY, SplitRef("study")))
    assert operation.state is OperationState.SUCCEEDED, operation.error_message
    result = operation.result
    assert (result["model"], result["version"], result["n"], result["patients"]) == ("way", 1, 36, 18)
    assert result["label_group"] == "way"
    assert result["left_out"] == {"UNLABELLED": 4}
    levels_ii = ecg_study.level_ii(40)[:36]
    mistaken = np.argsort(np.where(ecg_study.level_ii(40) > 0, ecg_study.level_ii(40), np.inf))[:2]
    truth = (levels_ii > 0) & ~np.isin(np.arange(36), mistaken)
    pairs = [(a > b) + 0.5 * (a == b) for a in levels_ii[truth] for b in levels_ii[~truth]]
    assert result["per_class"]["UP"]["auroc"] == pytest.approx(float(np.mean(pairs)))
    said_up = levels_ii > 0
    f1 = 2 * (said_up & truth).sum() / (said_up.sum() + truth.sum())
    assert result["per_class"]["UP"]["f1"] == pytest.approx(f1)
    never = result["per_class"]["NEVER"]
    assert never["auroc"] is None
    assert never["undefined"]["auroc"] == "no record has this label"
    assert result["metrics"]["undefined"]["auroc_macro"] == "without NEVER"
    up, down = result["per_class"]["UP"], result["per_class"]["DOWN"]
    assert result["metrics"]["auroc_macro"] == pytest.approx((up["auroc"] + down["auroc"]) / 2)
    weighted = (up["f1"] * up["positives"] + down["f1"] * down["positives"]) / 36
    assert result["metrics"]["f1_weighted"] == pytest.approx(weighted)


async def test_a_group_without_the_models_labels_is_refused_in_words(precordia: Connection) -> None:
    await publish(precordia, "other", bias_graph(0.0), contract("elsewhere"))
    await kept_study(precordia, 8)
    operation = await finished(precordia, await precordia.inference.evaluate(ModelRef("other"), SplitRef("study")))
    assert (operation.state, operation.error_reason) == (OperationState.FAILED, "INVALID_LABELS")
    assert "'way'" in operation.error_message


async def test_a_prediction_of_a_split_can_be_cancelled(precordia: Connection, runs: Runs) -> None:
    await publish(precordia, "slow", *ecg_study.slow_model(64))
    await precordia.inference.load(SLOW)
    await kept_study(precordia, 100)
    runs.shut()
    operation = await precordia.inference.predict_dataset(SLOW, SplitRef("study"))
    await runs.until_one_waits()
    await precordia.inference.operations.cancel(operation.operation_id)
    ended = await finished(precordia, operation)
    assert ended.state is OperationState.CANCELLED
    assert ended.done < 100


def test_serving_loads_no_training_stack() -> None:
    heavy = ("torch", "pandas", "sklearn", "onnx", "scipy.fft", "scipy.linalg", "matplotlib", "textual", "psycopg")
    script = f"import services.inference.__main__, sys; print([name for name in {heavy!r} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120)
    assert found.stdout.strip() == "[]"
