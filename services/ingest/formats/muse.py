"""GE MUSE XML: the rhythm waveform of a resting ECG, eight stored leads of twelve.

A median beat stands before the rhythm in these files; it is kept beside the signal and never taken
for it. III, aVR, aVL and aVF are not stored: they are derived when a signal is asked for.
"""

from __future__ import annotations

import math
import zlib
from datetime import datetime
from xml.etree.ElementTree import Element  # the type only; parsing is defusedxml's

from precordia.errors import PrecordiaError, UnreadableFile
from precordia.record import Device, Hints, Remark
from precordia.source import Source
from services.ingest.formats.channels import millivolts
from services.ingest.formats.facts import age_between, parse_age, parse_sex, resolve_rate
from services.ingest.formats.limits import Limits, ReaderContext
from services.ingest.formats.parsed import ParsedEcg
from services.ingest.formats.sample_text import decode_base64, stored_integers
from services.ingest.formats.statements import kept_statements
from services.ingest.formats.stored_leads import LeadSet, StoredLead, beat_hints, beat_remarks, lead_set
from services.ingest.formats.xml_document import children_text, number, parse_xml, root_name, text, whole

FORMAT = "muse-xml"
VERSION = "1"

_MAX_EXPONENT = 6


def sniff(source: Source) -> bool:
    """A root element `RestingECG`."""
    return root_name(source.content) == "RestingECG"


def read(source: Source, hints: Hints, context: ReaderContext) -> tuple[ParsedEcg, ...]:
    """Every rhythm waveform as a recording."""
    root = parse_xml(source.content, FORMAT)
    waveforms = root.findall("Waveform")
    rhythms = [waveform for waveform in waveforms if text(waveform, "WaveformType").lower() == "rhythm"]
    medians = [waveform for waveform in waveforms if text(waveform, "WaveformType").lower() == "median"]
    if not rhythms:
        raise UnreadableFile("The MUSE file holds no rhythm waveform.", format=FORMAT)
    device = _device(root, rhythms[0], _beats(medians, hints, context.limits), medians)
    damaged = beat_remarks(device, stored=bool(medians))
    return tuple(_recording(root, waveform, device, damaged, hints, context) for waveform in rhythms)


def _recording(
    root: Element,
    waveform: Element,
    device: Device,
    damaged: tuple[Remark, ...],
    hints: Hints,
    context: ReaderContext,
) -> ParsedEcg:
    leads = _leads(waveform, hints, context.limits)
    start = _date(text(root, "TestDemographics/AcquisitionDate"), text(root, "TestDemographics/AcquisitionTime"))
    patient = root.find("PatientDemographics")
    stated_age = parse_age(f"{text(patient, 'PatientAge')} {text(patient, 'AgeUnits')}")
    return ParsedEcg(
        channels=leads.channels,
        applied=hints.applied,
        patient_key=context.patient_key(text(patient, "PatientID"), ""),
        acquired_at=start,
        age_years=stated_age if stated_age is not None else age_between(_date(text(patient, "DateofBirth")), start),
        sex=parse_sex(text(patient, "Gender")),
        device=device,
        remarks=(*leads.remarks, *damaged),
    )


def _leads(waveform: Element, hints: Hints, limits: Limits) -> LeadSet:
    """The leads of one waveform, in the order of the file."""
    if text(waveform, "SampleType") not in ("", "CONTINUOUS_SAMPLES"):
        raise UnreadableFile("The MUSE file has samples that are not continuous.", format=FORMAT)
    items = waveform.findall("LeadData")
    limits.check_samples(max(1, len(items)), sum(whole(item, "LeadSampleCountTotal") or 0 for item in items[:1]))
    rate = resolve_rate(_rate(waveform), hints)
    remarks: list[Remark] = []
    leads = [_lead(item, remarks) for item in items]
    made = lead_set(leads, rate, hints)
    return LeadSet(made.channels, (*remarks, *_late(items), *made.remarks))


def _rate(waveform: Element) -> float | None:
    base, exponent = number(waveform, "SampleBase"), number(waveform, "SampleExponent") or 0.0
    if base is None:
        return None
    if not math.isfinite(base) or abs(exponent) > _MAX_EXPONENT:
        raise UnreadableFile("The MUSE file states a sampling rate that is none.", field="sample_rate_hz")
    return float(base * 10.0**exponent)


def _lead(item: Element, remarks: list[Remark]) -> StoredLead:
    label = text(item, "LeadID")
    content = decode_base64(item.findtext("WaveFormData") or "")
    numbers = stored_integers(content, whole(item, "LeadSampleSize") or 2)
    declared = whole(item, "LeadSampleCountTotal")
    if declared is not None and declared != numbers.size:
        raise UnreadableFile("The MUSE file has another number of samples than it says.", format=FORMAT)
    checksum = whole(item, "LeadDataCRC32")
    if checksum is not None and checksum != zlib.crc32(content):
        remarks.append(Remark("checksum_mismatch", "The samples do not have the checksum that the file says.", label))
    if text(item, "LeadOff").upper() == "TRUE":
        remarks.append(Remark("lead_off", "The device says that this lead's electrode was off.", label))
    step = number(item, "LeadAmplitudeUnitsPerBit")
    return StoredLead(label, numbers, step, text(item, "LeadAmplitudeUnits"))


def _late(items: list[Element]) -> tuple[Remark, ...]:
    late = [number(item, "LeadTimeOffset") or 0.0 for item in items]
    if not any(late):
        return ()
    spread = max(late) - min(late)
    return (Remark("channel_skew", f"Leads begin up to {spread:g} ms apart; they are kept as stored."),)


def _beats(medians: list[Element], hints: Hints, limits: Limits) -> dict[str, tuple[float, ...]]:
    """Median beats in millivolts by lead; none where they are damaged."""
    try:
        made = [_leads(median, beat_hints(hints), limits) for median in medians]
        return {channel.label: millivolts(channel) for leads in made for channel in leads.channels}
    except PrecordiaError:  # the signal beside it is whole
        return {}


def _device(root: Element, rhythm: Element, beats: dict[str, tuple[float, ...]], medians: list[Element]) -> Device:
    measurements = children_text(root.find("RestingECGMeasurements"), ("ECGSampleBase", "ECGSampleExponent"))
    if beats:
        measurements["median_beat_rate_hz"] = f"{_rate(medians[0]) or 0:g}"
    filters = {name: text(rhythm, name) for name in ("HighPassFilter", "LowPassFilter", "ACFilter")}
    return Device(
        manufacturer="GE",
        model=text(root, "TestDemographics/AcquisitionDevice"),
        filters={name: value for name, value in filters.items() if value},
        measurements=measurements,
        statements=kept_statements(_lines(root)),
        median_beats=beats,
    )


def _lines(root: Element) -> list[str]:
    """Statements, put together from the pieces between two ends of line."""
    lines: list[str] = []
    pieces: list[str] = []
    for statement in root.findall("Diagnosis/DiagnosisStatement"):
        pieces.append(text(statement, "StmtText"))
        if "ENDSLINE" in [flag.text for flag in statement.findall("StmtFlag")]:
            lines.append(" ".join(pieces).replace(" ,", ","))
            pieces = []
    return [*lines, " ".join(pieces)]


def _date(day: str, time: str = "") -> datetime | None:
    """A date as MUSE writes it (MM-DD-YYYY), with its time."""
    try:
        return datetime.fromisoformat(f"{day[6:]}-{day[:5]} {time or '00:00:00'}")
    except ValueError:
        return None
