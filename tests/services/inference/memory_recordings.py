"""Recordings in memory, with the client's interface."""

from __future__ import annotations

from collections.abc import Sequence

from precordia.errors import RecordingNotFound
from precordia.record import Sex, Signal
from precordia.stored import StoredRecording


class MemoryRecordings:
    """What `Predictor` needs of ingest."""

    def __init__(self, signals: dict[str, Signal] | None = None, age_years: float | None = None) -> None:
        self.signals = signals or {}
        self.age_years = age_years

    async def signal(self, recording_id: str, leads: Sequence[str] = ()) -> tuple[Signal, StoredRecording]:
        if recording_id not in self.signals:
            raise RecordingNotFound("No recording has this id.", name=recording_id)
        signal = self.signals[recording_id]
        stored = StoredRecording(
            recording_id,
            "one.csv",
            "0" * 64,
            0,
            "",
            "csv",
            (),
            signal.leads,
            signal.sample_rate_hz,
            signal.values.shape[1],
            signal.unit,
            age_years=self.age_years,
            sex=Sex.FEMALE,
        )
        return signal, stored
