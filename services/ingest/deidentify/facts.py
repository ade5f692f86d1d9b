"""The facts of a recording without what identifies: what is kept beside the samples, and what an export carries."""

from __future__ import annotations

import re
from dataclasses import replace

from precordia.record import Device, Recording
from services.ingest.deidentify.pseudonyms import OLDEST_YEARS, Pseudonyms, capped_age

TRANSFORM = "deidentify:1"

_CODE = re.compile(r"^[A-Za-z0-9_.:|-]{1,32}$")
_NUMBER = re.compile(r"^[-+]?\d+(?:\.\d+)?\s*[A-Za-z%/\u00b5\u00b0]{0,8}$")


def clean_recording(recording: Recording, pseudonyms: Pseudonyms) -> tuple[Recording, tuple[str, ...]]:
    """The recording with the same samples, and names of the facts that were taken out or changed.

    Free text goes: statements, and labels or measurements that are no code and no number. Dates move,
    ages above 89 become 90, names of file and record become keyed hashes.
    """
    source = recording.provenance
    cleaned = replace(
        recording,
        provenance=replace(
            source,
            source_name=f"{pseudonyms.label('name', source.source_name)}.{source.format}",
            source_record=pseudonyms.label("record", source.source_record),
            transforms=(*(one for one in source.transforms if one != TRANSFORM), TRANSFORM),
        ),
        patient_key=pseudonyms.name,
        acquired_at=pseudonyms.moved(recording.acquired_at) if recording.acquired_at else None,
        age_years=capped_age(recording.age_years),
        device=clean_device(recording.device),
        labels=tuple(label for label in recording.labels if _CODE.match(label)),
    )
    return cleaned, _changes(recording, cleaned)


def clean_device(device: Device) -> Device:
    """Maker, model, filters, numbers and median beats; no text that somebody typed."""
    return replace(
        device,
        filters={name: value for name, value in device.filters.items() if len(value) <= 32},
        measurements={name: value for name, value in device.measurements.items() if _NUMBER.match(value)},
        statements=(),
    )


def _changes(before: Recording, after: Recording) -> tuple[str, ...]:
    changed = {
        "file name": before.provenance.source_name != after.provenance.source_name,
        "record name": bool(before.provenance.source_record),
        "acquisition date (moved)": before.acquired_at is not None,
        "age above 89": before.age_years is not None and before.age_years > OLDEST_YEARS,
        "statements": bool(before.device.statements),
        "measurements that are no number": len(before.device.measurements) != len(after.device.measurements),
        "labels that are no code": len(before.labels) != len(after.labels),
    }
    return tuple(name for name, is_changed in changed.items() if is_changed)
