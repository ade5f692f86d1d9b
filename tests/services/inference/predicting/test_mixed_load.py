"""A thousand mixed requests at once: each answer is the one that the request gets alone, and no work is wasted."""

from __future__ import annotations

import asyncio
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from precordia.catalog import ModelRef, ModelVersion
from precordia.errors import DeadlineExceeded, Overloaded, PrecordiaError
from precordia.leads import STANDARD_LEADS
from precordia.prediction import PredictInput, Priority
from precordia.record import Signal, Unit
from precordia.rpc.caller import set_caller
from services.inference.engine.onnx_runtime import OnnxRuntimeEngine
from services.inference.engine.providers import Device
from services.inference.models.holding import Models
from services.inference.models.loading import ModelLoader
from services.inference.models.serving import ServingModel
from services.inference.predicting.predictor import Predictor
from services.inference.predicting.tensor_predictor import SentTensor, TensorCall, TensorPredictor
from services.inference.queueing.batching import Batcher, BatchPolicy
from services.inference.queueing.profile import ServingLimits
from services.inference.queueing.profile_cache import ProfileCache
from services.inference.queueing.waiting import Call, Item, Reply
from services.inference.scoring.running import Answer, Job, Runner
from services.inference.scoring.scorer import Scorer
from services.inference.scoring.scores import EcgJob
from services.inference.scoring.tensors import TensorRunner
from tests.services.inference.graphs import RATE_HZ, SAMPLES, contract, linear_graph
from tests.services.inference.memory_recordings import MemoryRecordings
from tests.services.inference.memory_registry import MemoryRegistry

REQUESTS = 1000
MODEL = ModelRef("m")
SEED = int(os.environ.get("PRECORDIA_TEST_SEED") or 20261120)
FULL = 16
"""So many ECGs wait before the first run ends, so that batches fill on a machine of any speed."""


def number_of(job: Job) -> int:
    """Lead I of an ECG is its number."""
    values = job.signal.values if isinstance(job, EcgJob) else job.tensors["signal"][0]
    return round(float(values[0, 0]))


class WatchedRunner(Runner):
    """A real runner, somewhat slow, that notes what it ran."""

    slow_s = 0.003

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.ran: list[list[int]] = []
        self.many_wait = threading.Event()

    def __call__(self, jobs: Sequence[Job]) -> list[Answer | PrecordiaError]:
        self.ran.append(list(map(number_of, jobs)))
        self.many_wait.wait(60)
        time.sleep(self.slow_s)
        return super().__call__(jobs)


class WatchedBatcher(Batcher[Job, Answer]):
    """A real batcher that notes until when each number is wanted, and when it was taken to be run."""

    runner: WatchedRunner

    def __init__(self, run: WatchedRunner, policy: BatchPolicy) -> None:
        self.deadlines: dict[int, float] = {}
        self.looked_at: dict[int, float] = {}
        self.claimed: list[tuple[float, int]] = []
        self.submitted = 0
        super().__init__(run, policy)

    def put(self, jobs: Sequence[Job], replies: Sequence[Reply[Answer]], call: Call) -> None:
        self.deadlines |= {number_of(job): call.deadline or float("inf") for job in jobs}
        self.submitted += len(jobs)
        super().put(jobs, replies, call)
        if self.depth >= FULL:
            self.runner.many_wait.set()

    def _dropped(self, item: Item[Job, Answer], now: float) -> bool:
        self.looked_at[id(item)] = now
        return super()._dropped(item, now)

    def _claimed(self, item: Item[Job, Answer]) -> bool:
        now = time.monotonic()
        number = number_of(item.job)
        ours = super()._claimed(item)
        if ours:
            assert self.looked_at[id(item)] <= (item.call.deadline or float("inf")), number
            self.claimed.append((now, number))
        return ours


class WatchedLoader(ModelLoader):
    """Loads a real model with a watched queue."""

    def load(self, version: ModelVersion, graph: bytes, *, quiet: bool = False) -> ServingModel:
        made = super().load(version, graph, quiet=quiet)
        policy = made.batcher.policy
        made.close()
        scorer = Scorer(made.session, made.manifest, max_rows=policy.max_batch)
        runner = WatchedRunner(scorer, TensorRunner(made.session), made.statistics)
        batcher = WatchedBatcher(runner, policy)
        batcher.runner = runner
        return replace(made, batcher=batcher)


@dataclass
class Request:
    """One request of some ECGs, all with the same number, and what became of it."""

    number: int
    signals: list[Signal]
    as_tensors: bool
    alone: NDArray[np.float64] | None = None
    gone_at: float = float("inf")
    """When its caller had gone away."""


def requests(draw: random.Random) -> list[Request]:
    noise = np.random.default_rng(draw.randrange(2**32))
    made = []
    for number in range(1, REQUESTS + 1):
        as_tensors = draw.random() < 0.5
        signals = []
        for _ in range(draw.choice((1, 1, 1, 2, 4))):
            samples = SAMPLES if as_tensors else draw.choice((SAMPLES, SAMPLES, SAMPLES - 60, 3 * SAMPLES + 40))
            values = noise.normal(0, 1, (12, samples)).astype(np.float32)
            values[0] = number
            signals.append(Signal(values, STANDARD_LEADS, RATE_HZ, Unit.MILLIVOLT))
        made.append(Request(number, signals, as_tensors))
    return made


async def test_a_thousand_mixed_requests_get_the_answers_they_would_get_alone(tmp_path: Path) -> None:
    seed = SEED
    draw = random.Random(seed)
    weights = np.random.default_rng(5).normal(0, 1, (12, 3))
    weights[0] *= 0.001
    registry, engine = MemoryRegistry(), OnnxRuntimeEngine(device=Device.CPU)
    await registry.publish("m", contract("a", "b", "c"), linear_graph(weights, np.array([0.5, 0.0, -0.5])))
    limits = ServingLimits(sessions=2, batch_size=8, delay_s=0.002, queue_capacity=4000)
    together = Models(registry, WatchedLoader(engine, limits, ProfileCache(tmp_path)))
    singly = Models(registry, ModelLoader(engine, ServingLimits(batch_size=1), ProfileCache(tmp_path)))

    async def asked(
        models: Models, request: Request, priority: Priority = Priority.ROUTINE, timeout_s: float | None = None
    ) -> NDArray[np.float64]:
        if request.as_tensors:
            x = np.stack([signal.values for signal in request.signals])
            call = TensorCall(MODEL, [SentTensor("signal", "FP32", x.shape, x.tobytes())], (), priority)
            return np.asarray(
                (await TensorPredictor(models).infer(call, timeout_s=timeout_s)).outputs["scores"], np.float64
            )
        inputs = [PredictInput(signal=signal) for signal in request.signals]
        predictions = await Predictor(models, MemoryRecordings()).predict(
            MODEL, inputs, priority=priority, timeout_s=timeout_s
        )
        return np.array([[score.value for score in prediction.scores] for prediction in predictions])

    async def caller(request: Request) -> str:
        """Asks, and goes away or gives up, or not."""
        await asyncio.sleep(draw.random() * 1.5)
        set_caller(str(draw.randrange(7)), "")
        timeout_s = draw.uniform(0.002, 0.3) if draw.random() < 0.3 else None
        patience_s = draw.choice((0.001, draw.uniform(0.0, 0.1))) if draw.random() < 0.2 else None  # 1 ms: never served
        try:
            async with asyncio.timeout(patience_s):
                answer = await asked(together, request, draw.choice(list(Priority)), timeout_s)
        except TimeoutError:
            request.gone_at = time.monotonic()
            return "gone"
        except DeadlineExceeded:
            return "late"
        except Overloaded:
            return "refused"
        assert request.alone is not None
        np.testing.assert_allclose(answer, request.alone, atol=1e-5, err_msg=f"seed {seed}, {request.number}")
        return "answered"

    made = requests(draw)
    for request in made:
        request.alone = await asked(singly, request)
    await singly.close()
    outcomes = await asyncio.gather(*map(caller, made))

    (model,) = together.held()
    batcher = model.serving.batcher
    assert isinstance(batcher, WatchedBatcher)
    counts = batcher.counts
    async with asyncio.timeout(60):  # whose callers are gone may still run
        while counts.executed + counts.dropped_expired + counts.dropped_cancelled + counts.refused < batcher.submitted:
            await asyncio.sleep(0.005)
    assert counts.executed + counts.dropped_expired + counts.dropped_cancelled + counts.refused == batcher.submitted, (
        seed
    )
    ran = batcher.runner.ran
    assert outcomes.count("answered") > 400, (seed, {one: outcomes.count(one) for one in set(outcomes)})
    assert outcomes.count("gone") > 20, seed
    assert max(map(len, ran)) == 8, "no batch was full"
    assert sum(len(set(numbers)) > 1 for numbers in ran) > 50, "batches held one request each"
    # What runs was taken before its caller had gone away, and looked at before its deadline.
    gone_at = {request.number: request.gone_at for request in made}
    wasted = [number for taken_at, number in batcher.claimed if taken_at > gone_at[number]]
    assert not wasted, f"seed {seed}: an ECG ran that nobody waited for"
    assert Counter(number for _, number in batcher.claimed) == Counter(number for numbers in ran for number in numbers)
    assert counts.dropped_expired + counts.dropped_cancelled > 0, seed
    assert batcher.depth == 0
    await together.close()
