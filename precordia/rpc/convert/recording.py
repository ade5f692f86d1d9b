"""Hints and facts about stored recordings."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from precordia.errors import InvalidArgument
from precordia.record import Device, Hints, Unit
from precordia.rpc.convert.json_objects import object_from_text, object_to_text
from precordia.rpc.convert.quality import quality_from_proto, quality_to_proto
from precordia.rpc.convert.signal import (
    remarks_from_proto,
    remarks_to_proto,
    sample_type_from_proto,
    sample_type_to_proto,
    sex_from_proto,
    sex_to_proto,
    unit_from_proto,
    unit_to_proto,
)
from precordia.rpc.convert.steps import steps_from_proto, steps_to_proto
from precordia.rpc.convert.timestamps import time_from_proto, time_to_proto
from precordia.stored import ImportPreview, ImportProfile, StoredChannel, StoredRecording
from precordia.v1 import ingest_pb2, types_pb2

VIEWS = ("raw", "filtered", "qrs", "fiducials", "median", "aligned")
"""Views of a recording, in the order of their numbers on the wire, from 1."""


def view_to_proto(view: str) -> ingest_pb2.SignalView:
    """A view by name.

    Raises:
        InvalidArgument: it is none of VIEWS.
    """
    if view not in VIEWS:
        raise InvalidArgument(f"A view is one of {', '.join(VIEWS)}.", field="view")
    return _VIEW_NUMBERS[view]


def view_from_proto(number: ingest_pb2.SignalView) -> str:
    """A view's name; UNSPECIFIED is "raw".

    Raises:
        InvalidArgument: it is not known here.
    """
    if number == ingest_pb2.SIGNAL_VIEW_UNSPECIFIED:
        return "raw"
    if number not in _VIEW_NAMES:
        raise InvalidArgument(f"A view is one of {', '.join(VIEWS)}.", field="view")
    return _VIEW_NAMES[number]


_VIEW_NUMBERS: dict[str, ingest_pb2.SignalView] = {
    "raw": ingest_pb2.SIGNAL_VIEW_RAW,
    "filtered": ingest_pb2.SIGNAL_VIEW_FILTERED,
    "qrs": ingest_pb2.SIGNAL_VIEW_QRS,
    "fiducials": ingest_pb2.SIGNAL_VIEW_FIDUCIALS,
    "median": ingest_pb2.SIGNAL_VIEW_MEDIAN,
    "aligned": ingest_pb2.SIGNAL_VIEW_ALIGNED,
}
_VIEW_NAMES = {number: name for name, number in _VIEW_NUMBERS.items()}


def hints_to_proto(hints: Hints) -> types_pb2.Hints:
    """Only what is set."""
    return types_pb2.Hints(
        sample_rate_hz=hints.sample_rate_hz,
        unit=hints.unit.value if hints.unit else None,
        gain_adu_per_mv=hints.gain_adu_per_mv,
        lead_names=hints.lead_names,
        applied=steps_to_proto(hints.applied),
        delimiter=hints.delimiter,
        decimal_mark=hints.decimal_mark,
        time_column=hints.time_column,
        variable=hints.variable,
    )


def hints_from_proto(message: types_pb2.Hints) -> Hints:
    """What a caller says about a source.

    Raises:
        InvalidArgument: the unit is none, or a number is not positive.
        UnknownStep, InvalidManifest: an applied step is not in the vocabulary.
    """
    return Hints(
        sample_rate_hz=_positive(message, "sample_rate_hz"),
        unit=_hinted_unit(message),
        gain_adu_per_mv=_positive(message, "gain_adu_per_mv"),
        lead_names=tuple(message.lead_names),
        applied=steps_from_proto(message.applied),
        delimiter=message.delimiter,
        decimal_mark=message.decimal_mark,
        time_column=message.time_column if message.HasField("time_column") else None,
        variable=message.variable,
    )


def _hinted_unit(message: types_pb2.Hints) -> Unit | None:
    if not message.HasField("unit"):
        return None
    try:
        return Unit(message.unit)
    except ValueError:
        known = ", ".join(unit.value for unit in Unit)
        raise InvalidArgument(f"A unit is one of {known}.", field="unit") from None


def _positive(message: types_pb2.Hints, field: str) -> float | None:
    if not message.HasField(field):
        return None
    value: float = getattr(message, field)
    if not 0 < value < float("inf"):
        raise InvalidArgument(f"'{field}' is a positive number.", field=field)
    return value


def stored_channel_to_proto(channel: StoredChannel) -> types_pb2.Channel:
    """The facts of a channel. Gain and baseline are set together, where the source holds integers."""
    return types_pb2.Channel(
        label=channel.label,
        source_label=channel.source_label,
        unit=channel.unit,
        sample_rate_hz=channel.sample_rate_hz,
        samples=channel.samples,
        sample_type=sample_type_to_proto(channel.dtype),
        gain=channel.gain,
        baseline=channel.baseline,
        missing_fraction=channel.missing_fraction,
        derived=channel.derived,
        standard_lead=channel.standard_lead,
    )


def stored_channel_from_proto(message: types_pb2.Channel) -> StoredChannel:
    """The facts of a channel."""
    return StoredChannel(
        label=message.label,
        source_label=message.source_label,
        unit=message.unit,
        sample_rate_hz=message.sample_rate_hz,
        samples=message.samples,
        dtype=sample_type_from_proto(message.sample_type),
        gain=message.gain if message.HasField("gain") else None,
        baseline=message.baseline,
        missing_fraction=message.missing_fraction,
        derived=message.derived,
        standard_lead=message.standard_lead,
    )


def stored_recording_to_proto(stored: StoredRecording) -> types_pb2.Recording:
    """The facts of a recording."""
    return types_pb2.Recording(
        recording_id=stored.recording_id,
        source_name=stored.source_name,
        source_sha256=stored.source_sha256,
        source_index=stored.source_index,
        source_record=stored.source_record,
        format=stored.format,
        channels=[stored_channel_to_proto(channel) for channel in stored.channels],
        lead_names=stored.leads,
        sample_rate_hz=stored.sample_rate_hz,
        samples=stored.samples,
        unit=unit_to_proto(stored.unit),
        applied=steps_to_proto(stored.applied),
        patient_key=stored.patient_key,
        acquired_at=time_to_proto(stored.acquired_at),
        acquired_at_is_local=stored.acquired_at is not None and stored.acquired_at.tzinfo is None,
        age_years=stored.age_years,
        sex=sex_to_proto(stored.sex),
        warnings=remarks_to_proto(stored.remarks),
        labels=stored.labels,
        reader=stored.reader,
        reader_version=stored.reader_version,
        hints=hints_to_proto(stored.hints),
        created_at=time_to_proto(stored.created_at),
        supersedes=stored.supersedes,
        device_json=object_to_text(device_to_json(stored.device)),
        transforms=stored.transforms,
        quality=quality_to_proto(stored.quality) if stored.quality else None,
    )


def stored_recording_from_proto(message: types_pb2.Recording) -> StoredRecording:
    """The facts of a recording."""
    return StoredRecording(
        recording_id=message.recording_id,
        source_name=message.source_name,
        source_sha256=message.source_sha256,
        source_index=message.source_index,
        source_record=message.source_record,
        format=message.format,
        channels=tuple(stored_channel_from_proto(channel) for channel in message.channels),
        leads=tuple(message.lead_names),
        sample_rate_hz=message.sample_rate_hz,
        samples=message.samples,
        unit=unit_from_proto(message.unit),
        applied=steps_from_proto(message.applied),
        patient_key=message.patient_key,
        acquired_at=_acquired_at(message),
        age_years=message.age_years if message.HasField("age_years") else None,
        sex=sex_from_proto(message.sex),
        remarks=remarks_from_proto(message.warnings),
        labels=tuple(message.labels),
        reader=message.reader,
        reader_version=message.reader_version,
        hints=hints_from_proto(message.hints),
        created_at=time_from_proto(message, "created_at"),
        supersedes=message.supersedes,
        device=device_from_json(object_from_text(message.device_json, field="device_json")),
        transforms=tuple(message.transforms),
        quality=quality_from_proto(message.quality) if message.HasField("quality") else None,
    )


def _acquired_at(message: types_pb2.Recording) -> datetime | None:
    at = time_from_proto(message, "acquired_at")
    return at.replace(tzinfo=None) if at and message.acquired_at_is_local else at


def device_to_json(device: Device) -> dict[str, Any]:
    """Only what the device said."""
    said: dict[str, Any] = {
        "manufacturer": device.manufacturer,
        "model": device.model,
        "filters": dict(device.filters),
        "measurements": dict(device.measurements),
        "statements": list(device.statements),
        "median_beats": {lead: list(beat) for lead, beat in device.median_beats.items()},
    }
    return {name: value for name, value in said.items() if value}


def device_from_json(value: dict[str, Any]) -> Device:
    """The inverse of `device_to_json`."""
    return Device(
        manufacturer=value.get("manufacturer", ""),
        model=value.get("model", ""),
        filters=value.get("filters", {}),
        measurements=value.get("measurements", {}),
        statements=tuple(value.get("statements", ())),
        median_beats={lead: tuple(beat) for lead, beat in value.get("median_beats", {}).items()},
    )


def preview_to_proto(preview: ImportPreview) -> ingest_pb2.PreviewImportResponse:
    """What a reader would do."""
    return ingest_pb2.PreviewImportResponse(
        format=preview.format,
        proposal=hints_to_proto(preview.proposal),
        missing_fields=preview.missing_fields,
        header_rows=preview.header_rows,
        orientation=preview.orientation,
        column_names=preview.columns,
        warnings=remarks_to_proto(preview.remarks),
    )


def preview_from_proto(message: ingest_pb2.PreviewImportResponse) -> ImportPreview:
    """What a reader would do."""
    return ImportPreview(
        format=message.format,
        proposal=hints_from_proto(message.proposal),
        missing_fields=tuple(message.missing_fields),
        header_rows=message.header_rows,
        orientation=message.orientation,
        columns=tuple(message.column_names),
        remarks=remarks_from_proto(message.warnings),
    )


def profile_to_proto(profile: ImportProfile) -> ingest_pb2.Profile:
    """Hints under a name."""
    return ingest_pb2.Profile(
        name=profile.name, hints=hints_to_proto(profile.hints), updated_at=time_to_proto(profile.updated_at)
    )


def profile_from_proto(message: ingest_pb2.Profile) -> ImportProfile:
    """Hints under a name."""
    updated_at = time_from_proto(message, "updated_at")
    return ImportProfile(message.name, hints_from_proto(message.hints), updated_at)
