"""Recordings of hours: the scores of one piece, and nobody waits for more than a stretch of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from precordia.catalog import Lineage, ModelRef
from precordia.client import Connection
from precordia.errors import DeadlineExceeded, Overloaded, PrecordiaError
from precordia.leads import STANDARD_LEADS
from precordia.manifest import Activation, Aggregation, CoInput, Manifest, Task, WindowPolicy
from precordia.prediction import PredictInput, Prediction, Priority
from precordia.record import Sex, Signal
from precordia.steps import Step
from services.inference.engine.onnx_runtime import OnnxRuntimeEngine
from services.inference.engine.providers import Device
from services.inference.models.holding import Models
from services.inference.models.loading import ModelLoader
from services.inference.predicting.predictor import Predictor
from services.inference.queueing.batching import Batcher
from services.inference.queueing.profile import ServingLimits
from services.inference.queueing.profile_cache import ProfileCache
from services.inference.scoring.scorer import Scorer
from services.inference.scoring.scores import EcgJob, Scored
from tests.precordia.signal.synthetic_ecg import as_signal, leads
from tests.services.inference.graphs import CROP, bias_graph, contract, linear_graph
from tests.services.inference.memory_recordings import MemoryRecordings
from tests.services.inference.memory_registry import MemoryRegistry
from tests.services.inference.predicting.test_predictor import SlowEngine, until
from tests.services.inference.scoring.test_signal_remarks import wfdb_of

MODEL = ModelRef("m")
STRETCH = 64
BAND, RESAMPLE = Step("band_pass", 1, {"low_hz": 0.5, "high_hz": 40.0}), Step("resample", 1, {"rate_hz": 100.0})
BY_RECORD = Step("min_max", 1, {"by": "record"})


@pytest.fixture
def engine() -> SlowEngine:
    return SlowEngine()


@pytest.fixture
def registry() -> MemoryRegistry:
    return MemoryRegistry()


@pytest.fixture
async def models(registry: MemoryRegistry, engine: SlowEngine, tmp_path: Path) -> AsyncIterator[Models]:
    limits = ServingLimits(workers=1, max_batch=1, queue_capacity=256)
    made = Models(registry, ModelLoader(engine, limits, ProfileCache(tmp_path)))
    yield made
    engine.session.let_go()
    await made.close()


def weights(outputs: int = 2) -> np.ndarray:
    return np.random.default_rng(8).normal(0, 5, (12, outputs))


def in_one_piece(graph: bytes, manifest: Manifest, job: EcgJob) -> Scored:
    (answer,) = Scorer(OnnxRuntimeEngine(device=Device.CPU).load(graph), manifest, max_rows=4)([job])
    assert not isinstance(answer, PrecordiaError), answer
    return answer


def equal(prediction: Prediction, whole: Scored) -> None:
    assert [score.value for score in prediction.scores] == pytest.approx(whole.values.tolist(), abs=1e-6)
    assert (prediction.windows, prediction.input_sha256) == (whole.windows, whole.input_sha256)
    assert set(whole.remarks) <= set(prediction.remarks)


def hours_of_levels(hours: float) -> Signal:
    """Every window of 2 s has a level of its own in each lead, at 100 Hz."""
    windows = round(hours * 1800)
    level = np.random.default_rng(9).normal(0, 0.5, (12, windows)).astype(np.float32)
    values = np.repeat(level, 200, axis=1)
    return Signal(values, STANDARD_LEADS, 100.0)


@pytest.mark.parametrize(
    ("steps", "windows"),
    [
        ((BAND, RESAMPLE, CROP), WindowPolicy()),
        ((BAND, RESAMPLE, CROP, BY_RECORD), WindowPolicy(stride_s=0.7, aggregation=Aggregation.MAX)),
    ],
)
async def test_scores_and_input_are_those_of_one_piece(
    registry: MemoryRegistry, models: Models, steps: tuple[Step, ...], windows: WindowPolicy
) -> None:
    co_inputs = (CoInput("age_years", scale=10.0), CoInput("sex_female"))
    graph = linear_graph(weights(), np.zeros(2), co_inputs=2)
    manifest = contract("a", "b", activation=Activation.SIGMOID, windows=windows, steps=steps, co_inputs=co_inputs)
    await registry.publish("m", manifest, graph, points='{"temperature": 3.0}')
    signal = as_signal(leads(131.3))
    signal.values[3, 7000:9000] = np.nan
    inputs = [PredictInput(signal=signal, age_years=50.0), PredictInput(signal=as_signal(leads(4)))]
    long, short = await Predictor(models, MemoryRecordings()).predict(MODEL, inputs)
    equal(long, in_one_piece(graph, manifest, EcgJob(signal, 50.0, None, 3.0)))
    equal(short, in_one_piece(graph, manifest, EcgJob(as_signal(leads(4)), None, None, 3.0)))
    assert long.windows == {0.0: 66, 0.7: 186}[windows.stride_s]
    assert {"windows", "samples_missing", "sex_missing"} <= {one.code for one in long.remarks}


async def begun(engine: SlowEngine) -> None:
    """Until the next run takes place."""
    assert await asyncio.to_thread(engine.session.entered.acquire, timeout=60)


async def test_stat_gets_in_between_the_windows_of_two_hours(
    registry: MemoryRegistry, models: Models, engine: SlowEngine
) -> None:
    graph, manifest = linear_graph(weights(), np.zeros(2)), contract("a", "b", task=Task.REGRESSION)
    await registry.publish("m", manifest, graph)
    await models.load(MODEL)
    predictor = Predictor(models, MemoryRecordings())
    engine.session.hold()
    signal = hours_of_levels(2)
    long = asyncio.create_task(predictor.predict(MODEL, [PredictInput(signal=signal)]))
    await begun(engine)
    for _ in range(100):
        engine.session.step()
        await begun(engine)
    for _ in range(5):
        depth = models.loaded()[0].queue_depth
        assert depth <= STRETCH
        urgent = asyncio.create_task(
            predictor.predict(MODEL, [PredictInput(signal=hours_of_levels(2 / 3600))], priority=Priority.STAT)
        )
        await until(lambda before=depth: models.loaded()[0].queue_depth == before + 1)
        for _ in range(2):  # the run that takes place, and its own
            assert not urgent.done()
            engine.session.step()
            await begun(engine)
        (stat,) = await urgent
        assert stat.scores
    assert not long.done()
    engine.session.let_go()
    (prediction,) = await long
    whole = in_one_piece(graph, manifest, EcgJob(Signal(signal.values[:, : 1800 * 200], STANDARD_LEADS, 100.0)))
    rest = in_one_piece(graph, manifest, EcgJob(Signal(signal.values[:, 1800 * 200 :], STANDARD_LEADS, 100.0)))
    expected = (whole.values + rest.values) / 2
    assert [score.value for score in prediction.scores] == pytest.approx(expected.tolist(), abs=1e-6)
    assert prediction.windows == 3600


async def test_a_caller_who_goes_away_leaves_no_windows_behind(
    registry: MemoryRegistry, models: Models, engine: SlowEngine
) -> None:
    await registry.publish("m", contract("a"), bias_graph(1.0))
    await models.load(MODEL)
    engine.session.hold()
    predictor = Predictor(models, MemoryRecordings())
    long = asyncio.create_task(predictor.predict(MODEL, [PredictInput(signal=hours_of_levels(1))]))
    await begun(engine)
    for _ in range(2):
        engine.session.step()
        await begun(engine)
    long.cancel()
    await asyncio.gather(long, return_exceptions=True)
    engine.session.let_go()
    await until(lambda: models.loaded()[0].queue_depth == 0)
    await asyncio.sleep(0.1)
    assert engine.session.runs == 3


async def test_a_deadline_ends_it_in_the_middle(registry: MemoryRegistry, models: Models, engine: SlowEngine) -> None:
    await registry.publish("m", contract("a"), bias_graph(1.0))
    await models.load(MODEL)
    engine.session.hold()
    call = asyncio.create_task(
        Predictor(models, MemoryRecordings()).predict(MODEL, [PredictInput(signal=hours_of_levels(1))], timeout_s=2.0)
    )
    while not call.done():  # a window each time: all of them would take 36 s at least
        engine.session.step()
        await asyncio.sleep(0.02)
    with pytest.raises(DeadlineExceeded):
        await call


async def test_a_stretch_that_finds_no_room_is_queued_again_and_the_first_is_refused(
    registry: MemoryRegistry, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    await registry.publish("m", contract("a"), bias_graph(1.0))
    await models.load(MODEL)
    put, refused, calls = Batcher.put, {2, 3}, 0

    def full_at_times(batcher: Any, *args: Any) -> None:
        nonlocal calls
        calls += 1
        if calls in refused:
            raise Overloaded("The queue of this model is full.", retry_after_s=0.01)
        put(batcher, *args)

    monkeypatch.setattr(Batcher, "put", full_at_times)
    inputs = [PredictInput(signal=hours_of_levels(0.1))]
    (prediction,) = await Predictor(models, MemoryRecordings()).predict(MODEL, inputs)
    assert (prediction.windows, prediction.score("a")) == (180, pytest.approx(1.0))
    assert calls == 5
    refused.add(6)
    with pytest.raises(Overloaded):
        await Predictor(models, MemoryRecordings()).predict(MODEL, inputs)


@pytest.mark.parametrize(("hours", "reason"), [(47, ""), (49, "TOO_LARGE")])
async def test_two_days_are_the_limit(registry: MemoryRegistry, models: Models, hours: int, reason: str) -> None:
    await registry.publish("m", contract("a", windows=WindowPolicy(stride_s=2.0)), bias_graph(1.0))
    values = np.zeros((12, hours * 3600), np.float32)
    values[:, ::2] = 0.5
    (answer,) = await Predictor(models, MemoryRecordings()).predict(
        MODEL, [PredictInput(signal=Signal(values, STANDARD_LEADS, 1.0))]
    )
    assert answer.error_reason == reason
    assert answer.windows == (hours * 1800 if not reason else 1)


async def test_all_leads_that_are_missing_are_named(registry: MemoryRegistry, models: Models) -> None:
    await registry.publish("m", contract("a"), bias_graph(1.0))
    signal = hours_of_levels(0.1)
    signal.values[[7, 9]] = np.nan
    (answer,) = await Predictor(models, MemoryRecordings()).predict(MODEL, [PredictInput(signal=signal)])
    assert answer.error_reason == "MISSING_LEAD"
    assert "V2, V4" in answer.error_message


@pytest.mark.parametrize("lead", ["I", "V3"])
async def test_an_optional_lead_that_is_missing_is_zero_in_every_window(
    registry: MemoryRegistry, models: Models, lead: str
) -> None:
    graph = linear_graph(weights(), np.zeros(2))
    base = contract("a", "b", steps=(BAND, RESAMPLE, CROP))
    manifest = replace(base, input=replace(base.input, optional_leads=(lead, "III", "aVR", "aVL", "aVF")))
    await registry.publish("m", manifest, graph)
    signal = hours_of_levels(0.1)
    signal.values[[STANDARD_LEADS.index(absent) for absent in manifest.input.optional_leads]] = np.nan
    (answer,) = await Predictor(models, MemoryRecordings()).predict(MODEL, [PredictInput(signal=signal)])
    assert answer.windows == 180
    equal(answer, in_one_piece(graph, manifest, EcgJob(signal)))
    missing = {one.lead for one in answer.remarks if one.code == "lead_missing"}
    assert missing == ({*manifest.input.optional_leads} if lead == "I" else {"V3"})


async def test_one_flat_window_refuses_no_recording_and_flat_hours_are_refused(
    registry: MemoryRegistry, models: Models
) -> None:
    await registry.publish("m", contract("a", steps=(CROP, Step("z_score"))), bias_graph(1.0))
    beating = as_signal(leads(60.0, rate_hz=100.0), 100.0)
    beating.values[:, 1000:1200] = 0.0
    flat = Signal(np.zeros((12, 6000), np.float32), STANDARD_LEADS, 100.0)
    inputs = [PredictInput(signal=beating), PredictInput(signal=flat)]
    scored, refused = await Predictor(models, MemoryRecordings()).predict(MODEL, inputs)
    assert scored.score("a") == pytest.approx(1.0)
    assert "lead_flat" in {one.code for one in scored.remarks}
    assert refused.error_reason == "INVALID_INPUT"


async def test_a_stored_recording_beyond_one_answer_of_ingest_is_scored_by_its_id(precordia: Connection) -> None:
    graph = linear_graph(weights(), np.zeros(2))
    manifest = contract("a", "b", task=Task.REGRESSION, steps=(BAND, RESAMPLE, CROP))
    await precordia.registry.publish("m", manifest, {"model.onnx": graph}, Lineage("imported"))
    made = leads(46 * 60.0)
    made["V3"] = np.zeros_like(made["V3"])
    imported = await precordia.ingest.import_source(wfdb_of(made))
    recording_id = imported.recordings[0].recording_id
    (prediction,) = await precordia.inference.predict(MODEL, [PredictInput(recording_id)], timeout_s=300.0)
    signal = (await precordia.ingest.native_recording(recording_id)).signal()
    equal(prediction, in_one_piece(graph, manifest, EcgJob(signal, None, Sex.FEMALE)))
    assert prediction.windows == 1380
    assert ("quality_flat_line", "V3") in {(one.code, one.lead) for one in prediction.remarks}
