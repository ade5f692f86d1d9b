from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from precordia.catalog import ModelRef
from precordia.errors import DeadlineExceeded, InvalidArgument, Overloaded
from precordia.manifest import CoInput, Task
from precordia.prediction import PredictInput
from precordia.record import Remark
from services.inference.engine.host_buffers import Tensor
from services.inference.engine.onnx_runtime import OnnxRuntimeEngine
from services.inference.engine.providers import Device
from services.inference.engine.sessions import Engine, Session
from services.inference.models.holding import Models
from services.inference.models.loading import ModelLoader
from services.inference.predicting.predictor import Predictor
from services.inference.queueing.profile import ServingLimits
from services.inference.queueing.profile_cache import ProfileCache
from tests.services.inference.graphs import bias_graph, contract, levels, linear_graph
from tests.services.inference.memory_recordings import MemoryRecordings
from tests.services.inference.memory_registry import MemoryRegistry

MODEL = ModelRef("m")


class SlowSession(Session):
    """A real session whose runs can be held, and be let go one by one."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.providers, self.inputs, self.outputs = session.providers, session.inputs, session.outputs
        self.runs = 0
        self.entered = threading.Semaphore(0)
        self._gate, self._steps = threading.Event(), threading.Semaphore(0)
        self._gate.set()

    def hold(self) -> None:
        """From now on each run waits; counting begins anew."""
        self._gate.clear()
        self.runs = 0

    def step(self) -> None:
        """One run may end."""
        self._steps.release()

    def let_go(self) -> None:
        """All runs may end."""
        self._gate.set()

    def compute(self, tensors: Mapping[str, Tensor], outputs: Sequence[str]) -> list[NDArray[Any]]:
        self.runs += 1
        if not self._gate.is_set():
            self.entered.release()
            while not self._gate.is_set() and not self._steps.acquire(timeout=0.01):
                pass
        return self._session.compute(tensors, outputs)

    def release(self) -> None:
        self._session.release()


class SlowEngine(Engine):
    """Loads slow sessions and remembers the last."""

    device = "slow"
    session: SlowSession

    def load(self, graph: bytes, *, threads: int = 0) -> Session:
        self.session = SlowSession(OnnxRuntimeEngine(device=Device.CPU).load(graph))
        return self.session


@pytest.fixture
def engine() -> SlowEngine:
    return SlowEngine()


@pytest.fixture
def registry() -> MemoryRegistry:
    return MemoryRegistry()


@pytest.fixture
async def models(registry: MemoryRegistry, engine: SlowEngine, tmp_path: Path) -> AsyncIterator[Models]:
    limits = ServingLimits(workers=1, queue_capacity=4)
    made = Models(registry, ModelLoader(engine, limits, ProfileCache(tmp_path)))
    yield made
    if hasattr(engine, "session"):
        engine.session.let_go()
    await made.close()


async def kept_busy(predictor: Predictor, engine: SlowEngine) -> asyncio.Task[Any]:
    """A call whose run does not end before it is let go."""
    engine.session.hold()
    call = asyncio.create_task(predictor.predict(MODEL, [PredictInput(signal=levels(0.0))]))
    assert await asyncio.to_thread(engine.session.entered.acquire, timeout=60)
    return call


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.005)


async def test_answers_come_in_the_order_of_the_inputs_with_their_provenance(
    registry: MemoryRegistry, models: Models
) -> None:
    graph = linear_graph(np.full((12, 1), 1 / 12), np.zeros(1))
    version = await registry.publish("m", contract("mean", task=Task.REGRESSION), graph)
    recordings = MemoryRecordings({"rec-1": levels(0.5)})
    inputs = [
        PredictInput(signal=levels(1.0), tag="first"),
        PredictInput(recording_id="rec-1", tag="second"),
        PredictInput(recording_id="rec-none", tag="third"),
        PredictInput(tag="fourth"),
    ]
    first, second, third, fourth = await Predictor(models, recordings).predict(MODEL, inputs)
    assert first.tag == "first"
    assert first.score("mean") == pytest.approx(1.0)
    assert second.recording_id == "rec-1"
    assert second.score("mean") == pytest.approx(0.5)
    assert (third.tag, third.error_reason, third.scores) == ("third", "RECORDING_NOT_FOUND", ())
    assert fourth.error_reason == "INVALID_ARGUMENT"
    assert first.model_digest == version.digest
    assert len(first.input_sha256) == 64
    assert first.predicted_at is not None


async def test_a_stored_recording_brings_its_own_age(registry: MemoryRegistry, models: Models) -> None:
    graph = linear_graph(np.zeros((12, 1)), np.zeros(1), co_inputs=1)
    await registry.publish("m", contract("age", task=Task.REGRESSION, co_inputs=(CoInput("age_years"),)), graph)
    recordings = MemoryRecordings({"rec-1": levels(0.5)}, age_years=63.0)
    (prediction,) = await Predictor(models, recordings).predict(MODEL, [PredictInput(recording_id="rec-1")])
    assert prediction.score("age") == 63.0


async def test_thresholds_of_the_version_stand_beside_its_scores(registry: MemoryRegistry, models: Models) -> None:
    await registry.publish("m", contract("a", "b"), bias_graph(0.1, 0.9), points='{"thresholds": {"b": 0.35}}')
    (prediction,) = await Predictor(models, MemoryRecordings()).predict(MODEL, [PredictInput(signal=levels(0.0))])
    assert [score.threshold for score in prediction.scores] == [None, 0.35]


@pytest.mark.parametrize("count", [0, 257])
async def test_a_call_carries_1_to_256_ecgs(models: Models, engine: SlowEngine, count: int) -> None:
    engine.load(bias_graph(0.0))
    with pytest.raises(InvalidArgument):
        await Predictor(models, MemoryRecordings()).predict(MODEL, [PredictInput(signal=levels(0.0))] * count)


async def test_a_full_queue_refuses_and_what_waits_is_still_answered(
    registry: MemoryRegistry, models: Models, engine: SlowEngine
) -> None:
    await registry.publish("m", contract("a"), bias_graph(1.0))
    await models.load(MODEL)
    predictor = Predictor(models, MemoryRecordings())
    busy = await kept_busy(predictor, engine)
    calls = [asyncio.create_task(predictor.predict(MODEL, [PredictInput(signal=levels(0.0))])) for _ in range(9)]
    await until(lambda: sum(call.done() for call in calls) == 5)
    engine.session.let_go()
    outcomes = await asyncio.gather(busy, *calls, return_exceptions=True)
    refused = [outcome for outcome in outcomes if isinstance(outcome, Overloaded)]
    assert len(refused) == 5
    assert all(refusal.retry_after_s > 0 for refusal in refused)
    assert all(isinstance(outcome, tuple | Overloaded) for outcome in outcomes)


async def test_a_deadline_that_passes_in_the_queue_costs_no_run(
    registry: MemoryRegistry, models: Models, engine: SlowEngine
) -> None:
    await registry.publish("m", contract("a"), bias_graph(1.0))
    await models.load(MODEL)
    predictor = Predictor(models, MemoryRecordings())
    busy = await kept_busy(predictor, engine)
    with pytest.raises(DeadlineExceeded):
        await predictor.predict(MODEL, [PredictInput(signal=levels(0.0))], timeout_s=0.05)
    engine.session.let_go()
    await busy
    assert engine.session.runs == 1
    assert models.loaded()[0].dropped_expired == 1


async def test_a_caller_who_goes_away_costs_no_run(
    registry: MemoryRegistry, models: Models, engine: SlowEngine
) -> None:
    await registry.publish("m", contract("a"), bias_graph(1.0))
    await models.load(MODEL)
    predictor = Predictor(models, MemoryRecordings())
    busy = await kept_busy(predictor, engine)
    gone = asyncio.create_task(predictor.predict(MODEL, [PredictInput(signal=levels(0.0))] * 3))
    await until(lambda: models.loaded()[0].queue_depth == 3)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    engine.session.let_go()
    await busy
    await until(lambda: models.loaded()[0].dropped_cancelled == 3)
    assert models.loaded()[0].queue_depth == 0
    assert engine.session.runs == 1


async def test_what_a_models_file_did_not_say_goes_with_every_score(registry: MemoryRegistry, models: Models) -> None:
    unit = Remark("assumed_unit", "The file does not say its input's unit; millivolts, the older default.")
    mended = Remark("duplicate_metadata", "A key stood twice.")
    graph = linear_graph(np.full((12, 1), 1 / 12), np.zeros(1))
    await registry.publish("m", contract("mean", task=Task.REGRESSION), graph, remarks=(unit, mended))
    (answer,) = await Predictor(models, MemoryRecordings({})).predict(MODEL, [PredictInput(signal=levels(1.0))])
    assert unit in answer.remarks
    assert mended not in answer.remarks
