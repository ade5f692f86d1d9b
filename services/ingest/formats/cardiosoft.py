"""GE CardioSoft XML: resting ECGs (UK Biobank field 20205) and exercise tests (field 6025).

A resting file holds strips of all leads and median samples. An exercise file holds strips of ten
seconds and, in `FullDisclosure`, the whole test: seconds of one lead after another, in the order
that the file states. Its leads `2` and `3` are not said to be II and III and keep those names.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element  # the type only; parsing is defusedxml's

import numpy as np

from precordia.errors import PrecordiaError, UnreadableFile
from precordia.record import Device, Hints, Native, Remark
from precordia.source import Source
from services.ingest.formats.cardiosoft_facts import acquired_at, age_years, device, patient_id, sex
from services.ingest.formats.channels import millivolts
from services.ingest.formats.facts import resolve_rate
from services.ingest.formats.limits import Limits, ReaderContext
from services.ingest.formats.parsed import ParsedEcg
from services.ingest.formats.sample_text import listed_numbers
from services.ingest.formats.stored_leads import LeadSet, StoredLead, beat_hints, beat_remarks, lead_set
from services.ingest.formats.xml_document import number, parse_xml, root_name, text, whole

FORMAT = "cardiosoft-xml"
VERSION = "1"

_MICROVOLTS = "uvperlsb"
_MEDIANS = "RestingECGMeasurements/MedianSamples"


def sniff(source: Source) -> bool:
    """A root element `CardiologyXML`."""
    return root_name(source.content) == "CardiologyXML"


def read(source: Source, hints: Hints, context: ReaderContext) -> tuple[ParsedEcg, ...]:
    """Full disclosure first, where there is one, then every strip; each is a recording."""
    root = parse_xml(source.content, FORMAT)
    found = [*_disclosures(root, hints, context.limits), *_strips(root, hints, context.limits)]
    if not found:
        raise UnreadableFile("The CardioSoft file holds neither strips nor full disclosure.", format=FORMAT)
    facts = device(root, *_beats(root, hints, context.limits))
    names = [name if len(found) > 1 else "" for name, _ in found]
    return tuple(
        _recording(root, leads, facts, name, hints, context) for name, (_, leads) in zip(names, found, strict=True)
    )


def _recording(
    root: Element, leads: LeadSet, facts: Device, name: str, hints: Hints, context: ReaderContext
) -> ParsedEcg:
    return ParsedEcg(
        channels=leads.channels,
        source_record=name,
        applied=hints.applied,
        patient_key=context.patient_key(patient_id(root), ""),
        acquired_at=acquired_at(root),
        age_years=age_years(root),
        sex=sex(root),
        device=facts,
        remarks=(*leads.remarks, *beat_remarks(facts, stored=root.find(_MEDIANS) is not None)),
    )


def _strips(root: Element, hints: Hints, limits: Limits) -> list[tuple[str, LeadSet]]:
    """Strips, named by their time. Rate and resolution stand beside the strips, or in them."""
    found: list[tuple[str, LeadSet]] = []
    for data in root.findall("StripData"):
        for place, strip in enumerate(data.findall("Strip") or [data]):
            if strip.find("WaveformData") is None:
                continue
            time = strip.find("Time")
            at = f"{text(time, 'Minute')}:{text(time, 'Second')}" if time is not None else str(place + 1)
            found.append((f"strip {at}", _waveforms(strip, data, hints, limits)))
    return found


def _waveforms(strip: Element, around: Element, hints: Hints, limits: Limits) -> LeadSet:
    step, unit = _resolution(strip, around)
    leads: list[StoredLead] = []
    for item in strip.findall("WaveformData"):
        numbers = listed_numbers(item.text or "", limits, commas=True)
        leads.append(StoredLead(item.get("lead", ""), numbers, step, unit))
        limits.check_samples(len(leads), numbers.size)
    declared = whole(_holder(strip, around, "ChannelSampleCountTotal"), "ChannelSampleCountTotal")
    short = [lead.label for lead in leads if declared is not None and lead.numbers.size < declared]
    if short:
        raise UnreadableFile("The CardioSoft file has fewer samples than it says.", format=FORMAT)
    return lead_set(leads, resolve_rate(_rate(_holder(strip, around, "SampleRate")), hints), hints)


def _holder(strip: Element, around: Element, name: str) -> Element:
    """The element that states a fact: the strip itself, or what holds all strips."""
    return strip if strip.find(name) is not None else around


def _rate(node: Element) -> float | None:
    found = node.find("SampleRate")
    if found is not None and found.get("units", "Hz").strip().lower() not in ("hz", ""):
        raise UnreadableFile("The CardioSoft file states its sampling rate in a unit that is not Hz.", format=FORMAT)
    return number(node, "SampleRate")


def _resolution(strip: Element, around: Element) -> tuple[float | None, str]:
    """Step and unit; the unit stands in the attribute, `uVperLsb`."""
    holder = _holder(strip, around, "Resolution")
    found = holder.find("Resolution")
    unit = found.get("units", "").strip().lower() if found is not None else ""
    if unit and unit != _MICROVOLTS:
        raise UnreadableFile("The CardioSoft file states its resolution in a unit that is not known.", format=FORMAT)
    return number(holder, "Resolution"), "uV" if unit else ""


def _disclosures(root: Element, hints: Hints, limits: Limits) -> list[tuple[str, LeadSet]]:
    found: list[tuple[str, LeadSet]] = []
    for item in root.findall("FullDisclosure"):
        content = " ".join(data.text or "" for data in item.findall("FullDisclosureData"))
        numbers = listed_numbers(content, limits, commas=True)
        if numbers.size:  # files of interrupted tests have an empty one
            found.append(("full disclosure", _disclosure(item, numbers, hints, limits)))
    return found


def _disclosure(item: Element, numbers: Native, hints: Hints, limits: Limits) -> LeadSet:
    """Seconds of the first lead, the second, and so on, then the next second of each.

    What does not fill a second of every lead at the end is left out, and remarked.
    """
    labels = [label.strip() for label in text(item, "LeadOrder").split(",") if label.strip()]
    channels = whole(item, "NumberOfChannels") or len(labels)
    rate = resolve_rate(_rate(item), hints)
    if not 0 < channels <= limits.max_channels or (labels and len(labels) != channels):
        raise UnreadableFile("The full disclosure does not say which leads it holds.", format=FORMAT)
    if not rate.is_integer():
        raise UnreadableFile("The full disclosure's seconds are no whole number of samples.", format=FORMAT)
    second = int(rate)
    seconds = numbers.size // (channels * second)
    used = seconds * channels * second
    if not seconds:
        raise UnreadableFile("The full disclosure is shorter than a second.", format=FORMAT)
    places = np.arange(used).reshape(seconds, channels, second)
    step, unit = _resolution(item, item)
    rows = [numbers[places[:, place].reshape(-1)] for place in range(channels)]
    leads = [StoredLead(label, row, step, unit) for label, row in zip(labels or [""] * channels, rows, strict=True)]
    made = lead_set(leads, rate, hints)
    rest = numbers.size - used
    gone = Remark("partial_second", f"The last {rest} samples do not fill a second of every lead; they are left out.")
    return LeadSet(made.channels, (*((gone,) if rest else ()), *made.remarks))


def _beats(root: Element, hints: Hints, limits: Limits) -> tuple[dict[str, tuple[float, ...]], float | None]:
    """Median samples of a resting ECG in millivolts by lead, and their rate; damaged ones are left out."""
    item = root.find(_MEDIANS)
    if item is None:
        return {}, None
    try:
        made = _waveforms(item, item, beat_hints(hints), limits)
        return {channel.label: millivolts(channel) for channel in made.channels}, _rate(item)
    except PrecordiaError:  # the signal beside it is whole
        return {}, None
