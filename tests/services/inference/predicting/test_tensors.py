"""Tensors beside ECGs: in one queue, in one batch, counted together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from precordia.catalog import ModelRef
from precordia.errors import DeadlineExceeded, InvalidArgument, InvalidModel, PrecordiaError
from precordia.manifest import Task
from precordia.prediction import PredictInput, Priority
from services.inference.engine.host_buffers import Tensor
from services.inference.engine.onnx_runtime import OnnxRuntimeEngine
from services.inference.engine.providers import Device
from services.inference.engine.sessions import Session
from services.inference.models.holding import Models
from services.inference.models.loading import ModelLoader
from services.inference.predicting.predictor import Predictor
from services.inference.predicting.tensor_predictor import SentTensor, TensorCall, TensorPredictor
from services.inference.queueing.profile import ServingLimits
from services.inference.queueing.profile_cache import ProfileCache
from services.inference.scoring.running import Runner
from services.inference.scoring.scorer import Scorer
from services.inference.scoring.scores import EcgJob, Scored
from services.inference.scoring.tensors import TensorAnswer, TensorJob, TensorRunner
from services.inference.statistics import Phases, ServingStatistics
from tests.services.inference.graphs import SAMPLES, contract, levels, linear_graph
from tests.services.inference.memory_recordings import MemoryRecordings
from tests.services.inference.memory_registry import MemoryRegistry

GRAPH = linear_graph(np.eye(12)[:, :2], np.zeros(2))
MANIFEST = contract("a", "b", task=Task.REGRESSION)
MODEL = ModelRef("m")


def ecg(level: float) -> NDArray[np.float32]:
    return np.full((1, 12, SAMPLES), level, np.float32)


def sent(*each: float) -> SentTensor:
    x = np.concatenate([ecg(level) for level in each])
    return SentTensor("signal", "FP32", x.shape, x.tobytes())


@pytest.fixture
async def models(tmp_path: Path) -> AsyncIterator[Models]:
    registry = MemoryRegistry()
    await registry.publish("m", MANIFEST, GRAPH, points='{"temperature": 2.0}')
    engine = OnnxRuntimeEngine(device=Device.CPU)
    made = Models(registry, ModelLoader(engine, ServingLimits(), ProfileCache(tmp_path)))
    yield made
    await made.close()


class Counting(Session):
    """A real session that remembers how many rows each run had."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.providers, self.inputs, self.outputs = session.providers, session.inputs, session.outputs
        self.rows: list[int] = []

    def compute(self, tensors: Mapping[str, Tensor], outputs: Sequence[str]) -> list[NDArray[Any]]:
        self.rows.append(len(next(iter(tensors.values()))))
        return self._session.compute(tensors, outputs)

    def release(self) -> None:
        self._session.release()


def test_a_batch_of_both_kinds_answers_each_in_its_place() -> None:
    session = Counting(OnnxRuntimeEngine(device=Device.CPU).load(GRAPH))
    statistics = ServingStatistics()
    run = Runner(Scorer(session, MANIFEST, max_rows=8), TensorRunner(session), statistics)
    jobs = [
        TensorJob({"signal": ecg(1.0)}, ("scores",)),
        EcgJob(levels(2.0)),
        TensorJob({"signal": ecg(3.0)}, ("scores",)),
        EcgJob(levels(0.0)),
        EcgJob(levels(4.0)),
    ]
    first, second, third, flat, last = run(jobs)
    assert isinstance(first, TensorAnswer)
    assert isinstance(third, TensorAnswer)
    assert first.tensors["scores"].tolist() == [[1.0, 1.0]]
    assert third.tensors["scores"].tolist() == [[3.0, 3.0]]
    assert [one.values.tolist() for one in (second, last) if isinstance(one, Scored)] == [[2.0, 2.0], [4.0, 4.0]]
    assert isinstance(flat, Scored | PrecordiaError)
    assert len(session.rows) == 2
    assert sum(session.rows) == statistics.items
    assert sum(size * tally.infer.count for size, tally in statistics.runs.items()) == statistics.items


def test_a_graph_that_does_not_answer_row_by_row_is_refused() -> None:
    class Squeezed(Counting):
        def compute(self, tensors: Mapping[str, Tensor], outputs: Sequence[str]) -> list[NDArray[Any]]:
            return [one.sum(axis=0, keepdims=True) for one in super().compute(tensors, outputs)]

    runner = TensorRunner(Squeezed(OnnxRuntimeEngine(device=Device.CPU).load(GRAPH)))
    jobs = [TensorJob({"signal": ecg(1.0)}, ("scores",))] * 2
    with pytest.raises(InvalidModel, match="no row for each ECG"):
        runner(jobs, Phases())


async def test_tensors_are_the_graphs_and_scores_are_calibrated(models: Models) -> None:
    result = await TensorPredictor(models).infer(TensorCall(MODEL, [sent(1.0, -2.0)], priority=Priority.STAT))
    assert result.outputs["scores"].tolist() == [[1.0, 1.0], [-2.0, -2.0]]
    assert (result.version.name, result.version.version) == ("m", 1)
    (scored,) = await Predictor(models, MemoryRecordings()).predict(
        MODEL, [PredictInput(signal=levels(1.0, *[0.5] * 11))]
    )
    assert [score.value for score in scored.scores] == [0.5, 0.25]


async def test_calls_of_both_kinds_are_counted_with_what_they_cost(models: Models) -> None:
    predictor = TensorPredictor(models)
    await predictor.infer(TensorCall(MODEL, [sent(1.0, 2.0, 3.0)]))
    signal = levels(*np.linspace(0.1, 1.2, 12).tolist())
    await Predictor(models, MemoryRecordings()).predict(MODEL, [PredictInput(signal=signal)])
    (held,) = models.held()
    counted = held.serving.statistics
    assert (counted.success.count, counted.fail.count, counted.items) == (2, 0, 4)
    assert counted.queue.count == counted.compute.infer.count == 2
    spent = counted.compute.input.ns + counted.compute.infer.ns + counted.compute.output.ns
    assert 0 < spent + counted.queue.ns <= counted.success.ns
    assert sum(tally.infer.ns for tally in counted.runs.values()) == counted.compute.infer.ns


async def test_a_refused_call_runs_nothing_and_a_late_one_has_failed(models: Models) -> None:
    predictor = TensorPredictor(models)
    with pytest.raises(InvalidArgument, match=r"expected \[-1,12,200\], got \[2400\]"):
        await predictor.infer(TensorCall(MODEL, [SentTensor("signal", "FP32", (2400,), bytes(9600))]))
    with pytest.raises(DeadlineExceeded):
        await predictor.infer(TensorCall(MODEL, [sent(1.0)]), timeout_s=0.0)
    (held,) = models.held()
    assert (held.serving.statistics.fail.count, held.serving.statistics.items) == (1, 0)
    assert held.serving.batcher.counts.dropped_expired == 1


@pytest.mark.parametrize(
    ("shape", "content"),
    [
        ((1, 12, SAMPLES), b""),
        ((1, 12, SAMPLES), bytes(4 * 12 * SAMPLES + 1)),
        ((1, 12, SAMPLES), [0.0] * 5),
        ((-1, 12, SAMPLES), b""),
        ((2**62, 12, SAMPLES), b""),
        ((), b""),
        ((1, 12, SAMPLES, 1), bytes(4 * 12 * SAMPLES)),
    ],
)
async def test_shapes_and_sizes_that_lie_are_refused(
    models: Models, shape: tuple[int, ...], content: bytes | list[float]
) -> None:
    with pytest.raises(InvalidArgument, match="'signal'"):
        await TensorPredictor(models).infer(TensorCall(MODEL, [SentTensor("signal", "FP32", shape, content)]))
