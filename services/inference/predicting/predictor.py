"""Predictions: inputs become jobs, jobs become scores with their provenance.

An input that cannot be scored gets an error of its own; the others are answered. What concerns the
whole call (no such model, a full queue, a deadline) is raised.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Protocol, TypeAlias

from precordia.catalog import ModelRef, ModelVersion
from precordia.errors import (
    Cancelled,
    DeadlineExceeded,
    InvalidArgument,
    Overloaded,
    PrecordiaError,
    ServiceUnavailable,
    TooLarge,
)
from precordia.manifest import Manifest
from precordia.prediction import PredictInput, Prediction, Priority, Score
from precordia.record import Recording, Remark, Signal
from precordia.rpc.caller import current_caller
from precordia.stored import StoredRecording
from services.inference.models.calls import answers_to
from services.inference.models.holding import Models, ResolvedModel
from services.inference.models.serving import OperatingPoints
from services.inference.predicting.long_recordings import LongJob, LongRecordings, is_long, job_of, stored_job
from services.inference.queueing.waiting import Call
from services.inference.scoring.running import Answer
from services.inference.scoring.scores import EcgJob, Scored
from services.inference.scoring.signal_remarks import Known, KnownInput, known_of
from services.inference.scoring.tensors import TensorAnswer
from services.inference.traffic.routing import Lane, Routing, sampled

_Work: TypeAlias = EcgJob | LongJob | PrecordiaError
"""What an input becomes."""

MAX_INPUTS = 256
_FETCHES = 16


@dataclass(frozen=True, eq=False)
class RefusedInput(PredictInput):
    """An input that could not be read; its error is its answer."""

    error: PrecordiaError = field(default_factory=lambda: InvalidArgument("The input cannot be read."))


class Recordings(Protocol):
    """What is needed of ingest; `precordia.client` has it."""

    async def signal(self, recording_id: str, leads: Sequence[str] = ()) -> tuple[Signal, StoredRecording]:
        """A recording's standard leads, and its facts; TooLarge where one answer does not hold them."""

    async def get_recording(self, recording_id: str) -> StoredRecording:
        """A recording's facts."""

    async def native_recording(self, recording_id: str) -> Recording:
        """Every channel as its source has it."""


class Predictor:
    """Scores inline signals and stored recordings with any loaded or loadable model."""

    def __init__(self, models: Models, recordings: Recordings, routing: Routing | None = None) -> None:
        self._models = models
        self._routing = routing
        self._recordings = recordings
        self._fetching = asyncio.Semaphore(_FETCHES)
        self._long = LongRecordings()

    def check_room(self, ref: ModelRef, count: int, *, priority: Priority, timeout_s: float | None) -> None:
        """Refuses what the queue would refuse, before so many inputs are decoded; queues nothing.

        Raises:
            Overloaded, TooLarge: see `predict`.
        """
        serving = self._models.serving(ref)
        if (
            serving is None
            or not 1 <= count <= MAX_INPUTS
            or (self._routing is not None and self._routing.lane(ref) is not None)
        ):
            return
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        came_ns = time.perf_counter_ns()
        try:
            serving.batcher.check(count, Call(priority, deadline, current_caller()))
        except (Overloaded, TooLarge):
            serving.statistics.failed(came_ns)
            raise
        except ServiceUnavailable:
            return  # it is being unloaded; the call itself loads the model again

    async def predict(
        self,
        ref: ModelRef,
        inputs: Sequence[PredictInput],
        *,
        priority: Priority = Priority.ROUTINE,
        timeout_s: float | None = None,
    ) -> tuple[Prediction, ...]:
        """A prediction for each input, in order.

        Raises:
            InvalidArgument: no input, or more than 256.
            Overloaded: the queue is full; nothing was queued.
            DeadlineExceeded: the deadline passed; what still waited was dropped.
            ModelNotFound, InvalidModel ...: the model cannot be had.
        """
        if not 1 <= len(inputs) <= MAX_INPUTS:
            raise InvalidArgument(f"Send 1 to {MAX_INPUTS} ECGs in one call.", field="inputs")
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        lane = self._routing.lane(ref) if self._routing else None
        if lane is None:
            return tuple(await self._answered(ref, inputs, priority, deadline))

        async def answer(to: ModelRef, indices: list[int]) -> list[Prediction]:
            return await self._answered(to, [inputs[index] for index in indices], priority, deadline, lane)

        return tuple(await lane.split([_key(source) for source in inputs], answer))

    async def _answered(
        self,
        ref: ModelRef,
        inputs: Sequence[PredictInput],
        priority: Priority,
        deadline: float | None,
        lane: Lane | None = None,
    ) -> list[Prediction]:
        """A prediction for each input by one version, shown to the lane that it travels on."""
        async with self._models.use(ref) as model:
            points = OperatingPoints.of(model.version)
            manifest = model.version.manifest
            jobs = [_shared_out(job, manifest) for job in await self._jobs(inputs, points)]
            outcomes = await self._score(model, jobs, priority, deadline)
        if lane is not None:
            # Nobody reads what a shadow would remark.
            pairs = [
                (replace(job, known=None), one)
                for job, one in zip(jobs, outcomes, strict=True)
                if isinstance(job, EcgJob)
            ]
            lane.seen(model, [job for job, _ in pairs], [one for _, one in pairs])
        return [described(outcome, source, model, points) for outcome, source in zip(outcomes, inputs, strict=True)]

    async def _jobs(self, inputs: Sequence[PredictInput], points: OperatingPoints) -> list[_Work]:
        if all(source.signal is not None or not source.recording_id for source in inputs):
            return [_inline(source, points) for source in inputs]
        return await asyncio.gather(*(self._job(source, points) for source in inputs))

    async def _job(self, source: PredictInput, points: OperatingPoints) -> _Work:
        if source.signal is not None or not source.recording_id:
            return _inline(source, points)
        try:
            async with self._fetching:
                return await self._fetched(source.recording_id, points)
        except (Cancelled, DeadlineExceeded):
            raise
        except PrecordiaError as error:
            return error

    async def _fetched(self, recording_id: str, points: OperatingPoints) -> EcgJob | LongJob:
        try:
            signal, stored = await self._recordings.signal(recording_id)
        except TooLarge:
            return stored_job(self._recordings, await self._recordings.get_recording(recording_id), points.temperature)
        return EcgJob(signal, stored.age_years, stored.sex, points.temperature, known_of(stored))

    async def _score(
        self, model: ResolvedModel, jobs: Sequence[_Work], priority: Priority, deadline: float | None
    ) -> list[Scored | PrecordiaError]:
        short = [job for job in jobs if isinstance(job, EcgJob)]
        answers = iter(await answers_to(model.serving, short, priority=priority, deadline=deadline))
        return [
            _scored(next(answers))
            if isinstance(job, EcgJob)
            else await self._long.score(model.serving, job, priority=priority, deadline=deadline)
            if isinstance(job, LongJob)
            else job
            for job in jobs
        ]


def _shared_out(job: _Work, manifest: Manifest) -> _Work:
    """An ECG of many windows is no single piece of work."""
    return job_of(job) if isinstance(job, EcgJob) and is_long(job.signal.duration_s, manifest) else job


def _key(source: PredictInput) -> bytes:
    """What decides which version answers, where an alias's inputs are shared out."""
    if source.recording_id or source.signal is None:
        return source.recording_id.encode()
    return sampled(source.signal.values)


def _inline(source: PredictInput, points: OperatingPoints) -> EcgJob | PrecordiaError:
    if isinstance(source, RefusedInput):
        return source.error
    if source.signal is None:
        return InvalidArgument("An input has a recording's id or a signal.", field="inputs.source")
    known = source.known if isinstance(source, KnownInput) else Known()
    return EcgJob(source.signal, source.age_years, source.sex, points.temperature, known)


def _scored(answer: Answer | PrecordiaError) -> Scored | PrecordiaError:
    assert not isinstance(answer, TensorAnswer), "an ECG's answer is scores"
    return answer


def _assumed(version: ModelVersion) -> tuple[Remark, ...]:
    """What the model's file did not say and its import had to assume goes with every score that rests on it."""
    return tuple(remark for remark in version.remarks if remark.code.startswith("assumed_"))


def described(
    outcome: Scored | PrecordiaError, source: PredictInput, model: ResolvedModel, points: OperatingPoints
) -> Prediction:
    """A prediction with its provenance."""
    version, manifest = model.version, model.version.manifest
    if isinstance(outcome, PrecordiaError):
        return Prediction(
            model=version.name,
            version=version.version,
            model_digest=version.digest,
            task=manifest.task,
            recording_id=source.recording_id,
            tag=source.tag,
            error_reason=outcome.reason,
            error_message=outcome.message,
        )
    scores = tuple(
        Score(output.name, value, output.code, output.unit, points.thresholds.get(output.name))
        for output, value in zip(manifest.outputs, outcome.values.tolist(), strict=True)
    )
    return Prediction(
        model=version.name,
        version=version.version,
        model_digest=version.digest,
        task=manifest.task,
        scores=scores,
        recording_id=source.recording_id,
        tag=source.tag,
        remarks=outcome.remarks + _assumed(version),
        input_sha256=outcome.input_sha256,
        predicted_at=datetime.now(UTC),
        windows=outcome.windows,
        operating_points_revision=version.operating_points_revision,
    )
