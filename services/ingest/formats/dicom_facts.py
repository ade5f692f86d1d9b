"""What a DICOM waveform says about time, patient and device, beside the waveform itself.

Identifying attributes are read only to make the patient's pseudonym; none of them is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from precordia.record import Device, Sex
from services.ingest.formats.channels import millivolts
from services.ingest.formats.dicom_groups import Group
from services.ingest.formats.facts import age_between, parse_age, parse_moment, parse_offset, parse_sex

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

MAX_STATEMENTS = 200
MAX_MEASUREMENTS = 500

_FILTERS = {
    "FilterLowFrequency": "low_hz",
    "FilterHighFrequency": "high_hz",
    "NotchFilterFrequency": "notch_hz",
    "NotchFilterBandwidth": "notch_bandwidth_hz",
}


def patient_identifiers(dataset: Dataset) -> tuple[str, str]:
    """Patient ID and its issuer; both empty where there is no id."""
    identifier = _text(dataset, "PatientID")
    return (identifier, _text(dataset, "IssuerOfPatientID")) if identifier else ("", "")


def sex(dataset: Dataset) -> Sex | None:
    """Patient's sex, where it is one of two."""
    return parse_sex(_text(dataset, "PatientSex"))


def acquired_at(dataset: Dataset) -> datetime | None:
    """When the ECG was taken. Without an offset in the file it has no zone: the device's own clock."""
    whole = _text(dataset, "AcquisitionDateTime")
    candidates = [whole] if whole else []
    for kind in ("Acquisition", "Content", "Study"):
        date, time = _text(dataset, f"{kind}Date"), _text(dataset, f"{kind}Time")
        if date:
            candidates.append(date.replace(".", "") + (time.replace(":", "") or "000000"))
    offset = parse_offset(_text(dataset, "TimezoneOffsetFromUTC"))
    return next((start for text in candidates if (start := parse_moment(text, offset))), None)


def age_years(dataset: Dataset, start: datetime | None) -> float | None:
    """Age when the ECG was taken: as stated, else from the date of birth."""
    stated = parse_age(_text(dataset, "PatientAge"))
    return stated if stated is not None else age_between(parse_moment(_text(dataset, "PatientBirthDate")), start)


def device(dataset: Dataset, groups: Sequence[Group], beats: Sequence[Group]) -> Device:
    """Maker, model, filters, measurements, statements and median beats."""
    measurements, statements = _annotations(dataset)
    if beats:
        measurements["median_beat_rate_hz"] = f"{beats[0].channels[0].sample_rate_hz:g}"
    items = list(dataset.get("WaveformSequence") or ())
    return Device(
        manufacturer=_text(dataset, "Manufacturer"),
        model=_text(dataset, "ManufacturerModelName"),
        filters=_filters(items[0].get("ChannelDefinitionSequence") or ()),
        measurements=measurements,
        statements=tuple(statements),
        median_beats={channel.label: millivolts(channel) for beat in beats for channel in beat.channels},
    )


def _filters(definitions: Sequence[Dataset]) -> dict[str, str]:
    """Filters by name; where channels differ, each value that occurs."""
    found: dict[str, str] = {}
    for keyword, name in _FILTERS.items():
        values = dict.fromkeys(_text(definition, keyword) for definition in definitions)
        said = [value for value in values if value]
        if said:
            found[name] = ", ".join(said)
    return found


def _annotations(dataset: Dataset) -> tuple[dict[str, str], list[str]]:
    measurements: dict[str, str] = {}
    statements: dict[str, None] = {}
    for item in dataset.get("WaveformAnnotationSequence") or ():
        name = _meaning(item, "ConceptNameCodeSequence")
        value = _text(item, "NumericValue")
        finding = _text(item, "UnformattedTextValue") or ("" if value else _meaning(item, "ConceptCodeSequence"))
        if name and value and len(measurements) < MAX_MEASUREMENTS:
            unit = _meaning(item, "MeasurementUnitsCodeSequence", "CodeValue")
            measurements.setdefault(name, f"{value} {unit}".strip())
        elif finding and len(statements) < MAX_STATEMENTS:
            statements[finding] = None
    return measurements, list(statements)


def _meaning(item: Dataset, sequence: str, keyword: str = "CodeMeaning") -> str:
    codes = item.get(sequence) or ()
    return _text(codes[0], keyword) if codes else ""


def _text(item: Dataset, keyword: str) -> str:
    value = item.get(keyword)
    return "" if value is None else str(value).replace("\0", "").strip()[:1024]
