"""The conditioning of recordings of hours: who goes away ends it, two at a time, its memory known beforehand."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from precordia.catalog import ModelRef
from precordia.errors import Cancelled, DeadlineExceeded
from precordia.leads import STANDARD_LEADS
from precordia.manifest import Manifest, WindowPolicy
from precordia.prediction import PredictInput, Prediction, Priority
from precordia.record import Channel, Provenance, Recording, Signal
from precordia.signal import condition
from precordia.steps import Step
from services.inference.engine.onnx_runtime import OnnxRuntimeEngine
from services.inference.engine.providers import Device
from services.inference.models.holding import Models
from services.inference.models.loading import ModelLoader
from services.inference.predicting import long_conditioning, long_recordings
from services.inference.predicting.long_conditioning import NativeInMemory, SignalInMemory, memory_needed, prepare
from services.inference.predicting.long_recordings import LongRecordings, job_of
from services.inference.predicting.predictor import Predictor
from services.inference.queueing.profile import ServingLimits
from services.inference.queueing.profile_cache import ProfileCache
from services.inference.scoring.scores import EcgJob
from services.inference.scoring.signal_remarks import Known
from tests.services.inference.graphs import CROP, bias_graph, contract
from tests.services.inference.memory_recordings import MemoryRecordings
from tests.services.inference.memory_registry import MemoryRegistry
from tests.services.inference.predicting.test_long_recordings import BAND, BY_RECORD, RESAMPLE, hours_of_levels
from tests.services.inference.predicting.test_predictor import until

MODEL = ModelRef("m")
FILTERED = (BAND, RESAMPLE, CROP)


class Conditionings:
    """Conditionings of leads, which a test can hold."""

    def __init__(self) -> None:
        self.begun = self.most_at_once = 0
        self._now, self._lock, self._gate = 0, threading.Lock(), threading.Event()
        self._gate.set()

    def hold(self) -> None:
        self._gate.clear()

    def let_go(self) -> None:
        self._gate.set()

    def passed(self, work: Callable[[], Any]) -> Any:
        with self._lock:
            self.begun += 1
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        self._gate.wait(60)
        try:
            return work()
        finally:
            with self._lock:
                self._now -= 1


@pytest.fixture
def conditionings(monkeypatch: pytest.MonkeyPatch) -> Iterator[Conditionings]:
    made, condition = Conditionings(), long_conditioning.condition
    monkeypatch.setattr(long_conditioning, "condition", lambda *given: made.passed(lambda: condition(*given)))
    yield made
    made.let_go()


@pytest.fixture
async def predictor(tmp_path: Path) -> AsyncIterator[Predictor]:
    registry = MemoryRegistry()
    await registry.publish("m", contract("a"), bias_graph(1.0))
    loader = ModelLoader(OnnxRuntimeEngine(device=Device.CPU), ServingLimits(), ProfileCache(tmp_path))
    models = Models(registry, loader)
    await models.load(MODEL)
    yield Predictor(models, MemoryRecordings())
    await models.close()


def scoring(predictor: Predictor) -> asyncio.Task[tuple[Prediction, ...]]:
    return asyncio.create_task(predictor.predict(MODEL, [PredictInput(signal=hours_of_levels(0.1))]))


async def test_who_goes_away_ends_the_conditioning_at_the_next_lead_and_keeps_the_turn_until_then(
    predictor: Predictor, conditionings: Conditionings, caplog: pytest.LogCaptureFixture
) -> None:
    conditionings.hold()
    gone = [scoring(predictor) for _ in range(2)]
    await until(lambda: conditionings.begun == 2)
    for call in gone:
        call.cancel()
    answers = await asyncio.gather(*gone, return_exceptions=True)  # nobody waits for the threads
    assert [type(answer) for answer in answers] == [asyncio.CancelledError] * 2
    waiting = scoring(predictor)
    for _ in range(20):
        await asyncio.sleep(0.01)
    assert conditionings.begun == 2
    conditionings.let_go()
    (prediction,) = await waiting
    assert prediction.score("a") == pytest.approx(1.0)
    assert conditionings.begun == 2 + len(STANDARD_LEADS)
    assert conditionings.most_at_once <= 2
    gc.collect()
    assert "never retrieved" not in caplog.text


async def test_callers_who_come_back_again_and_again_find_two_in_memory_at_most(
    predictor: Predictor, conditionings: Conditionings
) -> None:
    conditionings.hold()
    for _ in range(6):
        call = scoring(predictor)
        await asyncio.sleep(0.01)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
    last = scoring(predictor)
    await until(lambda: conditionings.begun == 2)
    conditionings.let_go()
    (prediction,) = await last
    assert prediction.score("a") == pytest.approx(1.0)
    assert conditionings.most_at_once <= 2


def test_a_limb_lead_without_a_sample_follows_from_the_others_as_in_a_short_ecg() -> None:
    rows = np.random.default_rng(4).normal(size=(12, 3000)).astype(np.float32)
    rows[1] = np.nan  # II
    base = contract("a")
    manifest = replace(base, input=replace(base.input, optional_leads=("II", "aVF")), steps=FILTERED)
    channels = tuple(
        Channel(lead, row, 100.0, "mV", missing=np.isnan(row) if np.isnan(row).any() else None)
        for lead, row in zip(STANDARD_LEADS, rows, strict=True)
    )
    recording = Recording(channels, Provenance("a", "0" * 64, "made", "1", "made"))
    made = prepare(manifest, NativeInMemory(recording), Known((), assessed=True), None, None, lambda: None)
    short = condition(Signal(rows, STANDARD_LEADS, 100.0), manifest)
    np.testing.assert_array_equal(made.x, short.x)
    assert made.x[:, 1].any()
    assert ("lead_derived", "II") in {(remark.code, remark.lead) for remark in made.remarks}


@pytest.mark.parametrize("error", [Cancelled("gone"), DeadlineExceeded("late")])
@pytest.mark.parametrize(("steps", "done"), [((CROP,), 3), ((CROP, BY_RECORD), 1)])
def test_it_is_asked_between_leads_whether_anybody_waits(
    conditionings: Conditionings, steps: tuple[Step, ...], done: int, error: Exception
) -> None:
    left = iter(range(done + 1))

    def go_on() -> None:
        if next(left, None) is None:
            raise error

    ecg = SignalInMemory(hours_of_levels(0.1))
    with pytest.raises(type(error)):
        prepare(contract("a", steps=steps), ecg, Known(assessed=True), None, None, go_on)
    assert conditionings.begun == done


async def test_after_the_deadline_no_lead_is_conditioned(predictor: Predictor, conditionings: Conditionings) -> None:
    async with predictor._models.use(MODEL) as model:
        with pytest.raises(DeadlineExceeded):
            await LongRecordings().score(
                model.serving,
                job_of(EcgJob(hours_of_levels(0.1))),
                priority=Priority.ROUTINE,
                deadline=time.monotonic() - 1,
            )
    assert conditionings.begun == 0


async def test_memory_is_given_back_once_for_recordings_that_end_together(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_back: list[int] = []
    monkeypatch.setattr(long_recordings, "give_back", lambda: given_back.append(1))
    monkeypatch.setattr(long_recordings, "_TIDY_S", 60.0)
    await asyncio.gather(*(scoring(predictor) for _ in range(3)))
    pending = predictor._long._tidying
    assert pending is not None
    pending.cancel()
    predictor._long._tidy()
    await until(lambda: given_back == [1])
    assert predictor._long._tidying is None


def manifest_of(steps: tuple[Step, ...]) -> Manifest:
    return contract("a", steps=steps, windows=WindowPolicy(stride_s=2.0))


async def refusal(predictor: Predictor, manifest: Manifest, hours: float, rate_hz: float) -> str:
    """What is said of a recording of such a length; none is made for it."""
    async with predictor._models.use(MODEL) as model:
        serving = replace(model.serving, manifest=manifest)
        job = replace(job_of(EcgJob(hours_of_levels(0.1))), duration_s=hours * 3600, sample_rate_hz=rate_hz)
        error = long_recordings._too_large(job, serving.manifest)
    return "" if error is None else error.message


async def test_what_takes_too_much_memory_is_refused_with_the_figure_before_it_is_read(predictor: Predictor) -> None:
    by_lead, by_record = manifest_of(FILTERED), manifest_of((*FILTERED, BY_RECORD))
    assert await refusal(predictor, by_lead, 48, 250) == ""
    assert await refusal(predictor, by_record, 24, 250) == ""
    assert await refusal(predictor, by_record, 48, 250) == (
        "Conditioning this ECG for this model takes up to 11.4 GiB, and 6 GiB are the limit; "
        "send parts of 25.2 hours at most."
    )
    assert "limit" in await refusal(predictor, by_lead, 48, 1000)


PROGRAM = """
import sys
from pathlib import Path
from services.inference.models.memory import give_back, resident_bytes, share_arenas
share_arenas()
from services.inference.models.loading import warm_conditioning
from tests.services.inference.predicting.test_long_preparation import BY_RECORD, FILTERED, manifest_of, prepared
manifest = manifest_of((*FILTERED, BY_RECORD) if sys.argv[1] == "record" else FILTERED)
warm_conditioning(manifest)
prepared(manifest, 0.02)
give_back()
before = resident_bytes()
Path("/proc/self/clear_refs").write_text("5")
said, given = prepared(manifest, 0.5)
status = Path("/proc/self/status").read_text().splitlines()
peak = next(int(line.split()[1]) << 10 for line in status if "VmHWM" in line)
print(peak - before - given, said)
"""


def prepared(manifest: Manifest, hours: float) -> tuple[int, int]:
    """Bytes that a recording at 250 Hz is said to take, and those of itself; after it was conditioned."""
    values = np.random.default_rng(5).normal(0, 0.2, (12, round(hours * 3600 * 250))).astype(np.float32)
    values[:, ::997] = np.nan
    ecg = SignalInMemory(Signal(values, STANDARD_LEADS, 250.0))
    windows = len(prepare(manifest, ecg, Known(assessed=True), None, None, lambda: None).x)
    return memory_needed(hours * 3600, 250.0, windows, manifest), values.nbytes


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peaks are told by Linux")
@pytest.mark.parametrize("by", ["lead", "record"])
def test_conditioning_takes_no_more_than_is_said(by: str) -> None:
    ran = subprocess.run([sys.executable, "-c", PROGRAM, by], capture_output=True, text=True, check=True)
    took, said = map(int, ran.stdout.split())
    assert 0.2 * said < took < said + 16 * 2**20
