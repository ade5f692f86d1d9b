"""Schiller XML (SEMA's export of resting ECGs): comma-separated samples, rhythm and averages.

The file's `exponent` beside its sampling rate is 1 for a plain number of samples per second: the
beats that the device marks by sample fit its heart rate only so. Another exponent is not known, and
the rate is asked for.
"""

from __future__ import annotations

from datetime import datetime
from xml.etree.ElementTree import Element  # the type only; parsing is defusedxml's

from precordia.errors import PrecordiaError, UnreadableFile
from precordia.record import Device, Hints
from precordia.source import Source
from services.ingest.formats.channels import millivolts
from services.ingest.formats.facts import age_between, parse_moment, parse_sex, resolve_rate
from services.ingest.formats.limits import Limits, ReaderContext
from services.ingest.formats.parsed import ParsedEcg
from services.ingest.formats.sample_text import listed_numbers
from services.ingest.formats.statements import kept_statements
from services.ingest.formats.stored_leads import LeadSet, StoredLead, beat_hints, beat_remarks, lead_set
from services.ingest.formats.xml_document import number, parse_xml, root_name, text, whole

FORMAT = "schiller-xml"
VERSION = "1"

_RHYTHM, _AVERAGES = "ECG_RHYTHMS", "ECG_AVERAGES"
_PLAIN_EXPONENTS = (None, 0.0, 1.0)


def sniff(source: Source) -> bool:
    """A root element named after Schiller's EDI classes."""
    return root_name(source.content).endswith("SchillerEDI")


def read(source: Source, hints: Hints, context: ReaderContext) -> tuple[ParsedEcg, ...]:
    """Every rhythm waveform as a recording."""
    root = parse_xml(source.content, FORMAT)
    found = [
        (event, waveform)
        for event in root.findall("eventdata/event")
        for waveform in event.findall("wavedata")
        if text(waveform, "type") == _RHYTHM
    ]
    if not found:
        raise UnreadableFile("The Schiller file holds no rhythm waveform.", format=FORMAT)
    return tuple(_recording(root, event, waveform, hints, context) for event, waveform in found)


def _recording(root: Element, event: Element, waveform: Element, hints: Hints, context: ReaderContext) -> ParsedEcg:
    leads = _leads(waveform, hints, context.limits)
    start = _start(root)
    said = _device(root, event, hints, context.limits)
    stored = any(text(item, "type") == _AVERAGES for item in event.findall("wavedata"))
    return ParsedEcg(
        channels=leads.channels,
        applied=hints.applied,
        patient_key=context.patient_key(text(root, "patdata/id"), ""),
        acquired_at=start,
        age_years=age_between(parse_moment(text(root, "patdata/birthdate")), start),
        sex=parse_sex(text(root, "patdata/gender")),
        device=said,
        remarks=(*leads.remarks, *beat_remarks(said, stored=stored)),
    )


def _leads(waveform: Element, hints: Hints, limits: Limits) -> LeadSet:
    step, unit = number(waveform, "resolution/yres/unitperbit"), text(waveform, "resolution/yres/units")
    leads: list[StoredLead] = []
    for channel in waveform.findall("channel"):
        if text(channel, "datastype") not in ("", "COMMASEPARATE"):
            raise UnreadableFile("The Schiller file has samples in a form that is not known.", format=FORMAT)
        numbers = listed_numbers(channel.findtext("data") or "", limits, commas=True)
        if whole(channel, "samplecount") not in (None, numbers.size):
            raise UnreadableFile("The Schiller file has another number of samples than it says.", format=FORMAT)
        leads.append(StoredLead(text(channel, "name"), numbers, step, unit))
        limits.check_samples(len(leads), numbers.size)
    return lead_set(leads, resolve_rate(_rate(waveform), hints), hints)


def _rate(waveform: Element) -> float | None:
    if number(waveform, "resolution/samplerate/exponent") not in _PLAIN_EXPONENTS:
        return None
    return number(waveform, "resolution/samplerate/value")


def _start(root: Element) -> datetime | None:
    """When the ECG was taken; the first moment of 1970 stands for a clock that was never set."""
    start = parse_moment(text(root, "examdescript/startdatetime/date") + text(root, "examdescript/startdatetime/time"))
    return None if start == datetime(1970, 1, 1) else start


def _device(root: Element, event: Element, hints: Hints, limits: Limits) -> Device:
    hardware = root.find("examdescript/aquiringdevice/hardware")
    beats = _beats(event, hints, limits)
    measurements = _named(event, "annotation_global")
    averages = next((wave for wave in event.findall("wavedata") if text(wave, "type") == _AVERAGES), None)
    if averages is not None and beats:
        measurements["median_beat_rate_hz"] = f"{_rate(averages) or 0:g}"
    return Device(
        manufacturer=text(hardware, "vendor"),
        model=text(hardware, "model"),
        filters=_named(event, "filters_data/filter"),
        measurements=measurements,
        statements=kept_statements(_statements(event)),
        median_beats=beats,
    )


def _named(event: Element, path: str) -> dict[str, str]:
    """Values by name; a dash means that there is none."""
    found = {text(item, "name"): text(item, "value") for item in event.findall(path)}
    return {name: value for name, value in found.items() if name and value not in ("", "-")}


def _statements(event: Element) -> list[str]:
    """Lines of the interpretation."""
    return [
        (line.text or "")
        for block in event.findall("textdata")
        if text(block, "type") == "INTERPRETATION"
        for inner in block.findall("textdata")
        for line in inner.iter()
        if line.tag in ("text", "line", "statement", "textdata")
    ]


def _beats(event: Element, hints: Hints, limits: Limits) -> dict[str, tuple[float, ...]]:
    """Averages in millivolts by lead; damaged ones are left out."""
    beats: dict[str, tuple[float, ...]] = {}
    for waveform in event.findall("wavedata"):
        if text(waveform, "type") == _AVERAGES:
            try:
                made = _leads(waveform, beat_hints(hints), limits)
            except PrecordiaError:  # the signal beside it is whole
                continue
            beats.update({channel.label: millivolts(channel) for channel in made.channels})
    return beats
