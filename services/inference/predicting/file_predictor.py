"""From a file's bytes to scores in one call: the bytes go on to ingest as they come, its signals come back scored."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import replace
from typing import Protocol

from precordia.catalog import ModelRef
from precordia.client.ingest import FileStart, ReadSource
from precordia.errors import PrecordiaError, TooLarge
from precordia.prediction import FilePrediction, PredictInput, Prediction, Priority
from precordia.record import Hints, Signal
from precordia.rpc.deadline import remaining_s
from precordia.stored import StoredRecording
from services.inference.models.holding import Models
from services.inference.predicting.answering import Answering
from services.inference.predicting.predictor import MAX_INPUTS
from services.inference.scoring.signal_remarks import KnownInput, known_of


class FileReader(Protocol):
    """What is needed of ingest; `precordia.client` has it."""

    async def read_stream(
        self,
        files: AsyncIterable[FileStart | bytes],
        hints: Hints = ...,
        *,
        profile: str = "",
        dataset: str = "",
        keep: bool = True,
        request_id: str = "",
    ) -> ReadSource:
        """Pass on one source as it comes, and have its signals answered."""


class FilePredictor:
    """Has ingest read a file, and scores what it found.

    Args:
        models: to refuse an unknown model before a byte is read.
        ingest: reads files.
        answering: scores, and keeps what is to be kept.
    """

    def __init__(self, models: Models, ingest: FileReader, answering: Answering) -> None:
        self._models = models
        self._ingest = ingest
        self._answering = answering

    async def predict(
        self,
        ref: ModelRef,
        files: AsyncIterable[FileStart | bytes],
        hints: Hints,
        *,
        profile: str = "",
        dataset: str = "",
        keep: bool = True,
        priority: Priority = Priority.ROUTINE,
        request_id: str = "",
    ) -> FilePrediction:
        """The file's recordings, each with its scores or the reason why it has none.

        Raises:
            InvalidInput: ingest cannot read the file, or the stream is out of order.
            ModelNotFound, AliasNotFound: there is no such model.
        """
        await self._models.check(ref)
        passed = _Passed(files)
        try:
            read = await self._ingest.read_stream(
                passed, hints, profile=profile, dataset=dataset, keep=keep, request_id=request_id
            )
        except PrecordiaError:
            if passed.failure is not None:  # the cause, of which ingest saw only a stream that ended too early
                raise passed.failure from None
            raise
        predictions = await self._scored(ref, read, priority)
        return FilePrediction(read.recordings, read.created, predictions)

    async def _scored(self, ref: ModelRef, read: ReadSource, priority: Priority) -> tuple[Prediction, ...]:
        inputs = [_input(stored, signal) for stored, signal in zip(read.recordings, read.signals, strict=True)]
        scored: list[Prediction] = []
        for start in range(0, len(inputs), MAX_INPUTS):
            part = inputs[start : start + MAX_INPUTS]
            scored += await self._answering.predict(ref, part, priority=priority, timeout_s=remaining_s())
        return tuple(
            replace(one, recording_id=stored.recording_id, error_reason=signal.reason, error_message=signal.message)
            if isinstance(signal, PrecordiaError) and not one.scores
            else one
            for one, stored, signal in zip(scored, read.recordings, read.signals, strict=True)
        )


def _input(stored: StoredRecording, signal: Signal | PrecordiaError) -> PredictInput:
    """A recording's signal as it came back, or its id where the signal is to be fetched by itself."""
    whole = signal if isinstance(signal, Signal) else None
    fetched = isinstance(signal, TooLarge) and bool(stored.recording_id)
    recording_id = stored.recording_id if whole is not None or fetched else ""
    return KnownInput(recording_id, whole, stored.age_years, stored.sex, stored.source_record, known_of(stored))


class _Passed:
    """A stream on its way to ingest. What fails on the way is kept: the sender at the other end only sees it end."""

    def __init__(self, files: AsyncIterable[FileStart | bytes]) -> None:
        self._files = files
        self.failure: PrecordiaError | None = None

    async def __aiter__(self) -> AsyncIterator[FileStart | bytes]:
        try:
            async for part in self._files:
                yield part
        except PrecordiaError as error:
            self.failure = error
