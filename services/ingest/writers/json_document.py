"""JSON: one document with the facts and every channel's own numbers, null where a sample is missing."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from precordia.record import Channel
from services.ingest.sheet import Sheet
from services.ingest.writers.written import WrittenFile

FORMAT = "json"


def write(sheet: Sheet) -> tuple[WrittenFile, ...]:
    """Integers with gain and baseline as the source has them: physical = (sample - baseline) / gain; else floats."""
    recording = sheet.recording
    document: dict[str, Any] = {
        "sample_rate_hz": sheet.sample_rate_hz,
        "samples": sheet.samples,
        "acquired_at": recording.acquired_at.isoformat() if recording.acquired_at else None,
        "patient": recording.patient_key or None,
        "age_years": recording.age_years,
        "sex": recording.sex.value if recording.sex else None,
        "applied": [step.to_json() for step in sheet.applied],
        "labels": list(recording.labels),
        "channels": [_channel(channel) for channel in sheet.channels],
    }
    content = json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return (WrittenFile(f"{sheet.name}.json", content.encode()),)


def _channel(channel: Channel) -> dict[str, Any]:
    return {
        "label": channel.label,
        "unit": channel.unit,
        "gain": channel.gain,
        "baseline": channel.baseline if channel.gain is not None else None,
        "derived": channel.derived,
        "data": _numbers(channel),
    }


def _numbers(channel: Channel) -> list[int | float | None]:
    """Floats in the fewest digits that give back the same number of the source's own width."""
    if channel.samples.dtype.kind == "i":
        numbers: list[int | float | None] = channel.samples.tolist()
    else:
        numbers = [float(text) for text in channel.samples.astype("U32").tolist()]
    absent = ~np.isfinite(channel.physical())
    for place in np.flatnonzero(absent).tolist():
        numbers[place] = None
    return numbers
