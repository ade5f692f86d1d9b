"""What a Philips SierraECG file says beside its waveform.

Identifiers are read only to make the patient's pseudonym; none of them is kept.
"""

from __future__ import annotations

from datetime import datetime
from xml.etree.ElementTree import Element  # the type only; parsing is defusedxml's

from precordia.errors import UnreadableFile
from precordia.record import Device, Sex
from services.ingest.formats.facts import age_between, parse_age, parse_sex
from services.ingest.formats.sample_text import decode_base64, stored_integers
from services.ingest.formats.statements import kept_statements
from services.ingest.formats.xml_document import children_text, text

_PATIENT = "patient/generalpatientdata/"
_FILTERS = ("signalbandwidth", "hipass", "lowpass", "acsetting", "notchfiltered", "notchfilterfreqs")


def patient_id(root: Element) -> str:
    """The patient's identifier, for the pseudonym alone."""
    return text(root, _PATIENT + "patientid")


def sex(root: Element) -> Sex | None:
    """Sex, where it is one of two."""
    return parse_sex(text(root, _PATIENT + "sex"))


def acquired_at(root: Element) -> datetime | None:
    """When the ECG was taken, by the device's own clock."""
    taken = root.find("dataacquisition")
    return _moment(taken.get("date", ""), taken.get("time", "")) if taken is not None else None


def age_years(root: Element) -> float | None:
    """Age as stated, else from the date of birth."""
    stated = parse_age(text(root, _PATIENT + "age/years"))
    born = _moment(text(root, _PATIENT + "age/dateofbirth"), "00:00:00")
    return stated if stated is not None else age_between(born, acquired_at(root))


def _moment(day: str, time: str) -> datetime | None:
    try:
        return datetime.fromisoformat(f"{day.strip()} {time.strip()[:8]}")
    except ValueError:
        return None


def device(root: Element) -> Device:
    """Model, filters, measurements, statements and representative beats."""
    characteristics = root.find("dataacquisition/signalcharacteristics")
    interpretation = root.find("interpretations/interpretation")
    measurements = _measurements(interpretation)
    beats = root.find("waveforms/repbeats")
    if beats is not None and beats.get("samplespersec"):
        measurements["median_beat_rate_hz"] = beats.get("samplespersec", "")[:16]
    filters = {name: text(characteristics, name) for name in _FILTERS}
    return Device(
        manufacturer="Philips",
        model=text(root, "dataacquisition/machine"),
        filters={name: value for name, value in filters.items() if value},
        measurements=measurements,
        statements=kept_statements(_statements(interpretation)),
        median_beats=_beats(beats),
    )


def _measurements(interpretation: Element | None) -> dict[str, str]:
    if interpretation is None:
        return {}
    found = interpretation.find("globalmeasurements")
    return children_text(found if found is not None else interpretation.find("interpretationmeasurements"))


def _statements(interpretation: Element | None) -> list[str]:
    """Each statement with its reason, and the severity; the line of the signature is left out."""
    if interpretation is None:
        return []
    said = [
        " ".join(part for part in (text(item, "leftstatement"), text(item, "rightstatement")) if part)
        for item in interpretation.findall("statement")
    ]
    return [*said, text(interpretation, "severity").strip("- ")]


def _beats(beats: Element | None) -> dict[str, tuple[float, ...]]:
    """Representative beats in millivolts, by lead; none where their scale is not stated."""
    if beats is None:
        return {}
    try:
        step_mv = float(beats.get("resolution", "")) / 1000
        if not 0 < abs(step_mv) < 1e12:
            return {}
        return {
            beat.get("leadname", "")[:16]: tuple(
                (stored_integers(decode_base64("".join(wave.itertext()))) * step_mv).tolist()
            )
            for beat in beats.findall("repbeat")
            if (wave := beat.find("waveform")) is not None
        }
    except (ValueError, UnreadableFile):  # a damaged beat does not make the signal beside it unreadable
        return {}
