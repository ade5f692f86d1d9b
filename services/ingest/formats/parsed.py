"""What a reader hands over: one ECG of a source, before provenance and checks are added."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from precordia.record import Channel, Device, Remark, Sex
from precordia.steps import Step


@dataclass(frozen=True, eq=False)
class ParsedEcg:
    """One recording as its format states it. `source_record` is the source's own name for it.

    Every sample that is NaN is marked in its channel's `missing`, too.
    """

    channels: tuple[Channel, ...]
    source_record: str = ""
    applied: tuple[Step, ...] = ()
    patient_key: str = ""
    acquired_at: datetime | None = None
    age_years: float | None = None
    sex: Sex | None = None
    device: Device = field(default_factory=Device)
    labels: tuple[str, ...] = ()
    remarks: tuple[Remark, ...] = ()
    transforms: tuple[str, ...] = ()
