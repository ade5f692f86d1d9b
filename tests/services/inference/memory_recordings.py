"""Recordings in memory, with the client's interface."""

from __future__ import annotations

from collections.abc import Sequence

from precordia.errors import RecordingNotFound
from precordia.record import Recording, Sex, Signal
from precordia.stored import StoredRecording


class MemoryRecordings:
    """What `Predictor` needs of ingest."""

    def __init__(self, signals: dict[str, Signal] | None = None, age_years: float | None = None) -> None:
        self.signals = signals or {}
        self.age_years = age_years

    async def signal(self, recording_id: str, leads: Sequence[str] = ()) -> tuple[Signal, StoredRecording]:
        if recording_id not in self.signals:
            raise RecordingNotFound("No recording has this id.", name=recording_id)
        return self.signals[recording_id], await self.get_recording(recording_id)

    async def get_recording(self, recording_id: str) -> StoredRecording:
        signal = self.signals[recording_id]
        return StoredRecording(
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

    async def native_recording(self, recording_id: str) -> Recording:
        raise RecordingNotFound("These have no source.", name=recording_id)
