"""Predictions: inputs become jobs, jobs become scores with their provenance.

An input that cannot be scored gets an error of its own; the others are answered. What concerns the
whole call (no such model, a full queue, a deadline) is raised.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol

from precordia.catalog import ModelRef, ModelVersion
from precordia.errors import Cancelled, DeadlineExceeded, InvalidArgument, PrecordiaError
from precordia.prediction import PredictInput, Prediction, Priority, Score
from precordia.record import Remark, Signal
from precordia.stored import StoredRecording
from services.inference.calls import answers_to
from services.inference.loading import OperatingPoints
from services.inference.models import Models, ResolvedModel
from services.inference.running import Answer
from services.inference.scoring import EcgJob, Scored
from services.inference.tensors import TensorAnswer

MAX_INPUTS = 256
_FETCHES = 16


class Recordings(Protocol):
    """What is needed of ingest; `precordia.client` has it."""

    async def signal(self, recording_id: str, leads: Sequence[str] = ()) -> tuple[Signal, StoredRecording]:
        """A recording's standard leads, and its facts."""


class Predictor:
    """Scores inline signals and stored recordings with any loaded or loadable model."""

    def __init__(self, models: Models, recordings: Recordings) -> None:
        self._models = models
        self._recordings = recordings
        self._fetching = asyncio.Semaphore(_FETCHES)

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
        async with self._models.use(ref) as model:
            points = OperatingPoints.of(model.version)
            jobs = await self._jobs(inputs, points)
            outcomes = await self._score(model, jobs, priority, deadline)
        return tuple(
            described(outcome, source, model, points) for outcome, source in zip(outcomes, inputs, strict=True)
        )

    async def _jobs(self, inputs: Sequence[PredictInput], points: OperatingPoints) -> list[EcgJob | PrecordiaError]:
        if all(source.signal is not None for source in inputs):
            return [_inline(source, points) for source in inputs]
        return await asyncio.gather(*(self._job(source, points) for source in inputs))

    async def _job(self, source: PredictInput, points: OperatingPoints) -> EcgJob | PrecordiaError:
        if source.signal is not None or not source.recording_id:
            return _inline(source, points)
        try:
            async with self._fetching:
                signal, stored = await self._recordings.signal(source.recording_id)
        except (Cancelled, DeadlineExceeded):
            raise
        except PrecordiaError as error:
            return error
        return EcgJob(signal, stored.age_years, stored.sex, points.temperature)

    async def _score(
        self,
        model: ResolvedModel,
        jobs: Sequence[EcgJob | PrecordiaError],
        priority: Priority,
        deadline: float | None,
    ) -> list[Scored | PrecordiaError]:
        runnable = [job for job in jobs if isinstance(job, EcgJob)]
        answers = iter(await answers_to(model.serving, runnable, priority=priority, deadline=deadline))
        return [_scored(next(answers)) if isinstance(job, EcgJob) else job for job in jobs]


def _inline(source: PredictInput, points: OperatingPoints) -> EcgJob | PrecordiaError:
    if source.signal is None:
        return InvalidArgument("An input has a recording's id or a signal.", field="inputs.source")
    return EcgJob(source.signal, source.age_years, source.sex, points.temperature)


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
    )
