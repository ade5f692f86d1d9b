"""What a CardioSoft file says beside its waveforms.

Identifiers are read only to make the patient's pseudonym; none of them is kept.
"""

from __future__ import annotations

from datetime import datetime
from xml.etree.ElementTree import Element  # the type only; parsing is defusedxml's

from precordia.record import Device, Sex
from services.ingest.formats.facts import age_between, parse_age, parse_sex
from services.ingest.formats.statements import kept_statements
from services.ingest.formats.xml_document import children_text, text

_NO_FINDING = ("---", "Arrhythmia results of the full-disclosure ECG")


def patient_id(root: Element) -> str:
    """The patient's identifier, for the pseudonym alone."""
    return text(root, "PatientInfo/PID")


def sex(root: Element) -> Sex | None:
    """Sex, where it is one of two."""
    return parse_sex(text(root, "PatientInfo/Gender"))


def acquired_at(root: Element) -> datetime | None:
    """When the ECG was taken, by the device's own clock."""
    return _moment(root.find("ObservationDateTime"))


def age_years(root: Element) -> float | None:
    """Age as stated, else from the date of birth."""
    said = root.find("PatientInfo/Age")
    stated = parse_age(f"{text(said)} {said.get('units', 'years')}") if said is not None else None
    born = _moment(root.find("PatientInfo/BirthDateTime"))
    return stated if stated is not None else age_between(born, acquired_at(root))


def _moment(node: Element | None) -> datetime | None:
    """A time whose parts are elements of their own."""
    parts = [text(node, name) or "0" for name in ("Year", "Month", "Day", "Hour", "Minute", "Second")]
    try:
        year, month, day, hour, minute, second = (int(part) for part in parts)
        return datetime(year, month, day, hour, minute, second)
    except (ValueError, OverflowError):
        return None


def device(root: Element, beats: dict[str, tuple[float, ...]], beat_rate_hz: float | None) -> Device:
    """Model, filters, measurements with their units, statements and median samples."""
    measurements = _measurements(root)
    if beats and beat_rate_hz:
        measurements["median_beat_rate_hz"] = f"{beat_rate_hz:g}"
    return Device(
        manufacturer="GE",
        model=text(root, "ClinicalInfo/DeviceInfo/Desc"),
        filters=children_text(root.find("FilterSetting")),
        measurements=measurements,
        statements=kept_statements(_statements(root)),
        median_beats=beats,
    )


def _measurements(root: Element) -> dict[str, str]:
    found: dict[str, str] = {}
    for place in ("RestingECGMeasurements", "ExerciseMeasurements"):
        for item in root.findall(f"{place}/*"):
            said = text(item)
            if said and not len(item):
                found.setdefault(item.tag, f"{said} {item.get('units', '')}".strip())
    return found


def _statements(root: Element) -> list[str]:
    lines = [
        (line.text or "")
        for place in ("Interpretation/Diagnosis/DiagnosisText", "Interpretation/Conclusion/ConclusionText")
        for line in root.findall(place)
    ]
    return [line for line in lines if not line.strip().startswith(_NO_FINDING)]
