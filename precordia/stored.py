"""Facts about a stored recording, without its samples: what a list shows and an import answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from precordia.quality import Quality
from precordia.record import Channel, Device, Hints, Recording, Remark, Sex, Unit
from precordia.steps import Step


@dataclass(frozen=True)
class StoredChannel:
    """One channel: `Channel` with the dtype and number of its samples in place of the samples."""

    label: str
    source_label: str
    unit: str
    sample_rate_hz: float
    samples: int
    dtype: str
    """"int16", "int32", "float32" or "float64"."""
    gain: float | None
    baseline: float
    missing_fraction: float
    derived: bool
    standard_lead: bool


@dataclass(frozen=True)
class StoredRecording:
    """A recording's facts. `recording_id` is empty for one that was read and not kept."""

    recording_id: str
    source_name: str
    source_sha256: str
    source_index: int
    source_record: str
    format: str
    channels: tuple[StoredChannel, ...]
    leads: tuple[str, ...]
    sample_rate_hz: float
    """Of the ECG leads (of all channels where there are none); 0 where they differ."""
    samples: int
    unit: Unit | None
    applied: tuple[Step, ...] = ()
    patient_key: str = ""
    acquired_at: datetime | None = None
    age_years: float | None = None
    sex: Sex | None = None
    remarks: tuple[Remark, ...] = ()
    labels: tuple[str, ...] = ()
    reader: str = ""
    reader_version: str = ""
    hints: Hints = field(default_factory=Hints)
    created_at: datetime | None = None
    supersedes: str = ""
    device: Device = field(default_factory=Device)
    transforms: tuple[str, ...] = ()
    quality: Quality | None = None
    """None where it was not assessed: no ECG lead, or imported by a version that did not."""


def describe_channel(channel: Channel) -> StoredChannel:
    """The facts of a channel."""
    return StoredChannel(
        label=channel.label,
        source_label=channel.source_label,
        unit=channel.unit,
        sample_rate_hz=channel.sample_rate_hz,
        samples=int(channel.samples.size),
        dtype=channel.samples.dtype.name,
        gain=channel.gain,
        baseline=channel.baseline,
        missing_fraction=channel.missing_fraction,
        derived=channel.derived,
        standard_lead=channel.is_standard_lead,
    )


def describe(
    recording: Recording,
    *,
    recording_id: str = "",
    created_at: datetime | None = None,
    supersedes: str = "",
    quality: Quality | None = None,
) -> StoredRecording:
    """The facts of a recording, as stored under an id (or not stored, with an empty one)."""
    provenance = recording.provenance
    shown = recording.ecg_channels or recording.channels
    rates = {channel.sample_rate_hz for channel in shown}
    lengths = {int(channel.samples.size) for channel in shown}
    return StoredRecording(
        recording_id=recording_id,
        source_name=provenance.source_name,
        source_sha256=provenance.source_sha256,
        source_index=provenance.source_index,
        source_record=provenance.source_record,
        format=provenance.format,
        channels=tuple(describe_channel(channel) for channel in recording.channels),
        leads=recording.leads,
        sample_rate_hz=rates.pop() if len(rates) == 1 else 0.0,
        samples=lengths.pop() if len(lengths) == 1 else 0,
        unit=recording.unit,
        applied=recording.applied,
        patient_key=recording.patient_key,
        acquired_at=recording.acquired_at,
        age_years=recording.age_years,
        sex=recording.sex,
        remarks=recording.remarks,
        labels=recording.labels,
        reader=provenance.reader,
        reader_version=provenance.reader_version,
        hints=provenance.hints,
        created_at=created_at,
        supersedes=supersedes,
        device=recording.device,
        transforms=provenance.transforms,
        quality=quality,
    )


@dataclass(frozen=True)
class ImportProfile:
    """What is known about all files of one kind, under a name."""

    name: str
    hints: Hints
    updated_at: datetime | None = None


@dataclass(frozen=True)
class ImportPreview:
    """What a reader would do with a source, and what it would still need to be told.

    Attributes:
        proposal: hints as detected or given.
        missing_fields: fields of `Hints` that neither the file nor the caller says.
        header_rows: rows above the numbers, for tables.
        orientation: "samples_by_leads" or "leads_by_samples"; empty where it does not apply.
        columns: names of a table's columns.
    """

    format: str
    proposal: Hints = field(default_factory=Hints)
    missing_fields: tuple[str, ...] = ()
    header_rows: int = 0
    orientation: str = ""
    columns: tuple[str, ...] = ()
    remarks: tuple[Remark, ...] = ()
