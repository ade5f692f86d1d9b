"""The facts of a recording as JSON, and back: what the database keeps beside the samples."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.engine import RowMapping

from precordia.quality import Quality
from precordia.record import Device, Hints, Remark, Sex, Unit
from precordia.steps import Step
from precordia.stored import StoredChannel, StoredRecording


def facts_to_json(stored: StoredRecording) -> str:
    """Everything that the columns of the table do not say, as canonical JSON."""
    facts = {
        "format": stored.format,
        "channels": [asdict(channel) for channel in stored.channels],
        "leads": list(stored.leads),
        "sample_rate_hz": stored.sample_rate_hz,
        "samples": stored.samples,
        "unit": stored.unit.value if stored.unit else "",
        "applied": [step.to_json() for step in stored.applied],
        "acquired_at": stored.acquired_at.isoformat() if stored.acquired_at else "",
        "age_years": stored.age_years,
        "sex": stored.sex.value if stored.sex else "",
        "remarks": [[remark.code, remark.message, remark.lead] for remark in stored.remarks],
        "labels": list(stored.labels),
        "reader": stored.reader,
        "reader_version": stored.reader_version,
        "hints": stored.hints.to_json(),
        "transforms": list(stored.transforms),
        "quality": stored.quality.to_json() if stored.quality else None,
    }
    return json.dumps(facts, ensure_ascii=False, separators=(",", ":"))


def device_to_json(device: Device) -> str:
    """What the device said, apart from the other facts: its median beats outweigh all of them."""
    said = {
        "manufacturer": device.manufacturer,
        "model": device.model,
        "filters": dict(device.filters),
        "measurements": dict(device.measurements),
        "statements": list(device.statements),
        "median_beats": {lead: list(beat) for lead, beat in device.median_beats.items()},
    }
    return json.dumps(said, ensure_ascii=False, separators=(",", ":"))


def _device_from_json(value: Mapping[str, Any]) -> Device:
    return Device(
        manufacturer=value["manufacturer"],
        model=value["model"],
        filters=value["filters"],
        measurements=value["measurements"],
        statements=tuple(value["statements"]),
        median_beats={lead: tuple(beat) for lead, beat in value["median_beats"].items()},
    )


def facts_from_row(row: RowMapping) -> StoredRecording:
    """A recording from its row in the table; without the device's part where the row lacks it."""
    facts = json.loads(row["facts"])
    acquired = facts["acquired_at"]
    return StoredRecording(
        recording_id=row["recording_id"],
        source_name=row["source_name"],
        source_sha256=row["source_sha256"],
        source_index=row["source_index"],
        source_record=row["source_record"],
        format=facts["format"],
        channels=tuple(StoredChannel(**channel) for channel in facts["channels"]),
        leads=tuple(facts["leads"]),
        sample_rate_hz=facts["sample_rate_hz"],
        samples=facts["samples"],
        unit=Unit(facts["unit"]) if facts["unit"] else None,
        applied=tuple(Step.from_json(step) for step in facts["applied"]),
        patient_key=row["patient_key"],
        acquired_at=datetime.fromisoformat(acquired) if acquired else None,
        age_years=facts["age_years"],
        sex=Sex(facts["sex"]) if facts["sex"] else None,
        remarks=tuple(Remark(*remark) for remark in facts["remarks"]),
        labels=tuple(facts["labels"]),
        reader=facts["reader"],
        reader_version=facts["reader_version"],
        hints=Hints.from_json(facts["hints"]),
        created_at=as_utc(row["created_at"]),
        supersedes=row["supersedes"],
        device=_device_from_json(json.loads(row["device"])) if "device" in row else Device(),
        transforms=tuple(facts["transforms"]),
        quality=_quality(facts.get("quality")),
    )


def _quality(value: Mapping[str, Any] | None) -> Quality | None:
    return Quality.from_json(value) if value else None


def as_utc(at: datetime) -> datetime:
    """A time from the database with its zone; SQLite gives it back without."""
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
