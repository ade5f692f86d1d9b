"""Scores: of recordings and files that were named, or of a dataset split."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from rich.text import Text

from cli import forms
from cli.following import succeeded
from cli.freezing import frozen
from cli.importing import for_each_source, import_files, refusals
from cli.output import Output
from cli.running import error_form, explain
from precordia.catalog import ModelRef
from precordia.client import Connection, ImportAnswer
from precordia.dataset import SplitRef
from precordia.errors import Overloaded, PrecordiaError, RecordingNotFound
from precordia.prediction import FilePrediction, PredictInput, Prediction, Priority
from precordia.record import Hints
from precordia.source import Source

_BATCH = 32
_ATTEMPTS = 20
_PATIENCE_S = 300.0

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class _Named:
    """A recording to score, and what to call it: the path as given, or its source's name."""

    source: str
    record: str
    recording_id: str


@dataclass(frozen=True)
class _Scored:
    """A prediction, with the source and the record in it that it is of."""

    source: str
    record: str
    prediction: Prediction

    @property
    def shown(self) -> str:
        told = not self.record or self.record == Path(self.source).stem
        return self.source if told else f"{self.source} #{self.record}"


async def predict_named(
    precordia: Connection,
    output: Output,
    ref: ModelRef,
    what: Sequence[str],
    hints: Hints,
    *,
    keep: bool,
    priority: Priority,
) -> bool:
    """Score recordings and files; files are imported first. Every one has a score or a refusal."""
    await precordia.registry.get(ref)  # a model that is not there is said before files are read
    if not keep:
        files, ids = [text for text in what if _is_file(text)], [text for text in what if not _is_file(text)]
        scored, refused = await _predict_unkept(precordia, output, ref, files, hints, priority)
        named, unknown = await _resolve(precordia, output, ids, hints)
        refused += unknown
    else:
        scored = []
        named, refused = await _resolve(precordia, output, what, hints)
    predictions = await _predict(precordia, output, ref, [one.recording_id for one in named], priority)
    pairs = zip(named, predictions, strict=True)
    return _report(output, [*scored, *(_Scored(one.source, one.record, made) for one, made in pairs)], refused)


async def _predict_unkept(
    precordia: Connection, output: Output, ref: ModelRef, files: Sequence[str], hints: Hints, priority: Priority
) -> tuple[list[_Scored], list[dict[str, Any]]]:
    """Score files that the services are not to keep: bytes go in, scores come back, nothing stays."""

    async def scored(source: Source) -> FilePrediction:
        inference = precordia.inference
        return await _patiently(
            lambda: inference.predict_file(ref, source, hints, keep=False, priority=priority, timeout_s=_PATIENCE_S)
        )

    answers = await for_each_source(output, "Predicting", files, scored) if files else []
    found = [
        _Scored(path, prediction.tag, prediction)
        for path, answer in answers
        if not isinstance(answer, PrecordiaError)
        for prediction in answer.predictions
    ]
    return found, list(refusals(answers, output))


async def predict_dataset(precordia: Connection, output: Output, ref: ModelRef, split: SplitRef) -> bool:
    """Score a dataset split as an operation, and report every score."""
    split = await frozen(precordia, output, split)
    started = await precordia.inference.predict_dataset(ref, split)
    client = precordia.inference.operations
    await succeeded(client, started, output, "Predicting")
    names = {
        one.recording_id: (one.source_name, one.source_record)
        async for one in precordia.ingest.recordings(split.dataset)
    }
    scored = [
        _Scored(*names.get(prediction.recording_id, ("", "")), prediction)
        async for prediction in precordia.inference.predictions(started.operation_id)
    ]
    return _report(output, scored, [])


async def _resolve(
    precordia: Connection, output: Output, what: Sequence[str], hints: Hints
) -> tuple[list[_Named], list[dict[str, Any]]]:
    """Recording ids as they are, files as what their import made, in the order named."""

    async def kept(source: Source) -> ImportAnswer:
        return await precordia.ingest.import_source(source, hints)

    named: list[_Named] = []
    refused: list[dict[str, Any]] = []
    for text in what:
        if _is_file(text):
            verdicts = await import_files(output, [text], kept)
            named += [
                _Named(one.source, one.recording.source_record, one.recording.recording_id) for one in verdicts.imported
            ]
            refused += verdicts.refused
            continue
        try:
            stored = await precordia.ingest.get_recording(text)
            named.append(_Named(stored.source_name, stored.source_record, text))
        except RecordingNotFound as error:
            output.refuse(f"{text}: {explain(error)}")
            refused.append({"source": text, **error_form(error)})
    return named, refused


def _is_file(text: str) -> bool:
    """Whether a name means a file: one that is there, or that is written like one."""
    return Path(text).expanduser().exists() or any(mark in text for mark in "/\\.*?[")


async def _predict(
    precordia: Connection, output: Output, ref: ModelRef, recording_ids: Sequence[str], priority: Priority
) -> list[Prediction]:
    predictions: list[Prediction] = []
    with output.progress("Predicting", len(recording_ids)) as step:
        for start in range(0, len(recording_ids), _BATCH):
            inputs = [PredictInput(one, tag=one) for one in recording_ids[start : start + _BATCH]]
            predictions += await _patiently(
                partial(precordia.inference.predict, ref, inputs, priority, timeout_s=_PATIENCE_S)
            )
            step(len(predictions), len(recording_ids))
    return predictions


async def _patiently(call: Callable[[], Awaitable[Answer]]) -> Answer:
    """What a call answers, coming back when a full queue says so."""
    for _ in range(_ATTEMPTS):
        try:
            return await call()
        except Overloaded as error:
            await asyncio.sleep(error.retry_after_s)
    return await call()


def _report(output: Output, answers: Sequence[_Scored], refused: list[dict[str, Any]]) -> bool:
    scored = [one for one in answers if not one.prediction.error_reason]
    for one in answers:
        if one.prediction.error_reason:
            output.refuse(f"{one.shown or one.prediction.recording_id}: {one.prediction.error_message}")
            refused.append(_refused_form(one))
    _table(output, scored)
    predictions = [forms.prediction_form(one.source, one.record, one.prediction) for one in scored]
    output.document({"predictions": predictions, "refused": refused})
    return not refused


def _refused_form(one: _Scored) -> dict[str, Any]:
    return {
        "source": one.source,
        "record": one.record,
        "recording": one.prediction.recording_id,
        "reason": one.prediction.error_reason,
        "message": one.prediction.error_message,
    }


def _table(output: Output, scored: Sequence[_Scored]) -> None:
    if not scored:
        return
    first = scored[0].prediction
    output.line(f"{forms.scored_by_text(first)}  {first.task.value if first.task else ''}", "bold")
    names = [score.name + (f" [{score.unit}]" if score.unit else "") for score in first.scores]
    rows = [
        (
            one.shown,
            one.prediction.recording_id,
            *(_score(score.value, score.threshold) for score in one.prediction.scores),
            forms.remarks_text(one.prediction.remarks),
        )
        for one in scored
    ]
    output.table("predictions", ("source", "recording", *(f"#{name}" for name in names), "warnings"), rows)


def _score(value: float, threshold: float | None) -> Text:
    """Above its threshold (or one half, where the model has none) a score is bold."""
    return Text(f"{value:.3f}", style="bold" if value >= (0.5 if threshold is None else threshold) else "dim")
