"""HL7 annotated ECG (aECG, HL7 V3 PORT_MT020001): rhythm series, with their sequences of samples.

A series holds sets of sequences: one of times (GLIST: head and increment), and one for each lead
(SLIST: value = origin + scale x digit). Representative beats are derived series and kept beside.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from xml.etree.ElementTree import Element  # the type only; parsing is defusedxml's

from precordia.errors import PrecordiaError, UnreadableFile
from precordia.record import Hints
from precordia.source import Source
from services.ingest.formats.aecg_facts import age_years, device, patient_identifiers, sex, started_at
from services.ingest.formats.channels import millivolts
from services.ingest.formats.facts import parse_moment, resolve_rate, stated_unit
from services.ingest.formats.limits import Limits, ReaderContext
from services.ingest.formats.parsed import ParsedEcg
from services.ingest.formats.sample_text import listed_numbers
from services.ingest.formats.sampling_interval import rate_from_interval
from services.ingest.formats.stored_leads import StoredLead, beat_hints, beat_remarks, lead_set
from services.ingest.formats.xml_document import parse_xml, root_name

FORMAT = "hl7-aecg"
VERSION = "1"

_ROOTS = ("AnnotatedECG",)
_BEATS = ("REPRESENTATIVE_BEAT", "MEDIAN_BEAT", "AVERAGE_BEAT")
_RATE_TOLERANCE = 1e-4  # increments are written with few digits


def sniff(source: Source) -> bool:
    """A root element `AnnotatedECG`."""
    return root_name(source.content) in _ROOTS


@dataclass(frozen=True, eq=False)
class _Sequences:
    """One set of sequences: leads on one time base."""

    rate_hz: float | None
    head: datetime | None
    leads: tuple[StoredLead, ...]

    @property
    def labels(self) -> set[str]:
        return {lead.label for lead in self.leads}


def read(source: Source, hints: Hints, context: ReaderContext) -> tuple[ParsedEcg, ...]:
    """Every rhythm series as a recording; sets of one series that fit together are one."""
    root = parse_xml(source.content, FORMAT)
    series = [item for item in root.findall("component/series") if _code(item) not in _BEATS]
    if not series:
        raise UnreadableFile("The aECG file holds no rhythm series.", format=FORMAT)
    recordings = [
        _recording(root, item, together, hints, context) for item in series for together in _sets(item, context.limits)
    ]
    if not recordings:
        raise UnreadableFile("The aECG file holds no sequence of samples.", format=FORMAT)
    return tuple(recordings)


def _recording(
    root: Element, series: Element, together: list[_Sequences], hints: Hints, context: ReaderContext
) -> ParsedEcg:
    leads = [lead for sequences in together for lead in sequences.leads]
    made = lead_set(leads, resolve_rate(together[0].rate_hz, hints, tolerance=_RATE_TOLERANCE), hints)
    start = started_at(series) or together[0].head or started_at(root)
    said = device(series, *_beats(series, hints, context.limits))
    stored = any(_code(item) in _BEATS for item in series.findall("derivation/derivedSeries"))
    return ParsedEcg(
        channels=made.channels,
        applied=hints.applied,
        patient_key=context.patient_key(*patient_identifiers(root)),
        acquired_at=start,
        age_years=age_years(root, start),
        sex=sex(root),
        device=said,
        remarks=(*made.remarks, *beat_remarks(said, stored=stored)),
    )


def _code(node: Element) -> str:
    found = node.find("code")
    return found.get("code", "") if found is not None else ""


def _sets(series: Element, limits: Limits) -> list[list[_Sequences]]:
    """Sets of a series, those of one time base with different leads together."""
    recordings: list[list[_Sequences]] = []
    for item in series.findall("component/sequenceSet"):
        sequences = _sequences(item, limits)
        if not sequences.leads:
            continue
        home = next((have for have in recordings if all(_fits(sequences, other) for other in have)), None)
        if home is None:
            recordings.append([sequences])
        else:
            home.append(sequences)
    return recordings


def _fits(one: _Sequences, other: _Sequences) -> bool:
    return one.rate_hz == other.rate_hz and one.head == other.head and not one.labels & other.labels


def _sequences(item: Element, limits: Limits) -> _Sequences:
    rate: float | None = None
    head: datetime | None = None
    leads: list[StoredLead] = []
    for sequence in item.findall("component/sequence"):
        code, value = _code(sequence), sequence.find("value")
        if value is None:
            continue
        increment = value.find("increment")
        if code.startswith("TIME_") or increment is not None:
            rate = _rate(increment)
            first = value.find("head")
            head = parse_moment(first.get("value", "")) if first is not None else None
        else:
            leads.append(_lead(code, value, limits))
            limits.check_samples(len(leads), leads[0].numbers.size)
    return _Sequences(rate, head, tuple(leads))


def _rate(increment: Element | None) -> float | None:
    if increment is None or not increment.get("value"):
        return None
    return rate_from_interval(increment.get("value", ""), increment.get("unit", "s"))


def _lead(code: str, value: Element, limits: Limits) -> StoredLead:
    origin, origin_unit = _quantity(value.find("origin"))
    scale, unit = _quantity(value.find("scale"))
    digits = value.find("digits")
    numbers = listed_numbers((digits.text or "") if digits is not None else "", limits)
    in_scale = (origin or 0.0) * _relative(origin_unit or unit, unit) if origin else 0.0
    return StoredLead(_label(code), numbers, scale, unit or origin_unit, in_scale)


def _label(code: str) -> str:
    """The lead of a code; MDC's negative of aVR is aVR upside down."""
    return "-aVR" if code.upper().endswith("AVRNEG") else code


def _quantity(node: Element | None) -> tuple[float | None, str]:
    """Value and unit of a physical quantity."""
    if node is None or not node.get("value"):
        return None, node.get("unit", "").strip() if node is not None else ""
    try:
        return float(node.get("value", "")), node.get("unit", "").strip()
    except ValueError:
        raise UnreadableFile("The aECG file states a scale that is no number.", format=FORMAT) from None


def _relative(unit: str, wanted: str) -> float:
    """Factor from one voltage to another.

    Raises:
        UnreadableFile: they differ and one is no voltage.
    """
    if unit == wanted:
        return 1.0
    one, other = stated_unit(unit), stated_unit(wanted)
    if one is None or other is None or not one.millivolts or not other.millivolts:
        raise UnreadableFile("The aECG file states origin and scale in units that do not go together.", format=FORMAT)
    return one.millivolts / other.millivolts


def _beats(series: Element, hints: Hints, limits: Limits) -> tuple[dict[str, tuple[float, ...]], float | None]:
    """Representative beats in millivolts by lead, and their rate; a damaged one is left out."""
    beats: dict[str, tuple[float, ...]] = {}
    rate: float | None = None
    for item in series.findall("derivation/derivedSeries"):
        if _code(item) not in _BEATS:
            continue
        try:
            for together in _sets(item, limits):
                rate = together[0].rate_hz
                leads = [lead for sequences in together for lead in sequences.leads]
                made = lead_set(leads, rate or 1.0, beat_hints(hints))
                beats.update({channel.label: millivolts(channel) for channel in made.channels})
        except PrecordiaError:  # the signal beside it is whole
            continue
    return beats, rate
