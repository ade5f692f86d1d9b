"""SCP-ECG files (EN 1064, ISO/IEEE 11073-91064), versions 1 to 3."""

from __future__ import annotations

from precordia.errors import UnreadableFile
from precordia.record import Channel, Device, Hints
from precordia.source import Source
from services.ingest.formats.calibrated import named_channels
from services.ingest.formats.limits import ReaderContext
from services.ingest.formats.parsed import ParsedEcg
from services.ingest.formats.scp_facts import read_facts, read_measurements, read_statements
from services.ingest.formats.scp_huffman import HuffmanTables, read_tables
from services.ingest.formats.scp_sections import FORMAT as FORMAT
from services.ingest.formats.scp_sections import (
    BeatTable,
    LeadTable,
    Sections,
    looks_like_scp,
    read_beats,
    read_leads,
    read_sections,
)
from services.ingest.formats.scp_signal import CodedLeads, read_coded, reference_beats, rhythm

VERSION = "1"

_LONG_TERM = 12
_MILLIVOLTS_PER_NANOVOLT = 1e-6


def sniff(source: Source) -> bool:
    """Section 0 where it always stands."""
    return looks_like_scp(source.content)


def read(source: Source, hints: Hints, context: ReaderContext) -> tuple[ParsedEcg, ...]:
    """The rhythm of section 6; the reference beat of section 5 is kept beside it.

    Raises:
        UnreadableFile: there is no rhythm, or the sections do not fit together.
    """
    sections = read_sections(source.content)
    leads = read_leads(sections.get(3))
    beats = read_beats(sections.get(4))
    tables = read_tables(sections.get(2))
    reference = read_coded(sections.get(5), len(leads.leads))
    coded = read_coded(sections.get(6), len(leads.leads))
    if coded is None:
        raise _no_rhythm(sections)
    signal = rhythm(coded, reference, leads, beats, tables, context.limits)
    raw = [
        Channel(lead.label, row, signal.rate_hz, "mV", signal.counts_per_mv, missing=missing)
        for lead, row, missing in zip(leads.leads, signal.rows, signal.missing, strict=True)
    ]
    channels, remarks = named_channels(raw, hints)
    facts = read_facts(sections.get(1))
    return (
        ParsedEcg(
            channels=channels,
            applied=hints.applied,
            patient_key=context.patient_key(facts.patient_id, "") if facts.patient_id else "",
            acquired_at=facts.acquired_at,
            age_years=facts.age_years,
            sex=facts.sex,
            device=Device(
                manufacturer=facts.manufacturer,
                model=facts.model,
                filters=facts.filters,
                measurements=_measurements(sections, reference),
                statements=read_statements(sections.get(8)),
                median_beats=_median_beats(reference, leads, beats, tables),
            ),
            remarks=(*sections.remarks, *signal.remarks, *remarks),
            transforms=signal.transforms,
        ),
    )


def _no_rhythm(sections: Sections) -> UnreadableFile:
    if sections.get(_LONG_TERM):
        return UnreadableFile(
            "The SCP-ECG file holds a long-term ECG only (section 12), which is not read.", format=FORMAT
        )
    return UnreadableFile("The SCP-ECG file holds no rhythm (section 6).", format=FORMAT)


def _measurements(sections: Sections, reference: CodedLeads | None) -> dict[str, str]:
    found = read_measurements(sections.get(7))
    return {**found, "median_beat_rate_hz": f"{reference.rate_hz:g}"} if reference is not None else found


def _median_beats(
    reference: CodedLeads | None, leads: LeadTable, beats: BeatTable, tables: HuffmanTables | None
) -> dict[str, tuple[float, ...]]:
    """The reference beat in millivolts, by lead."""
    if reference is None or not beats.length_ms:
        return {}
    scale = reference.nanovolts * _MILLIVOLTS_PER_NANOVOLT
    rows = reference_beats(reference, beats, tables)
    return {lead.label: tuple((row * scale).tolist()) for lead, row in zip(leads.leads, rows, strict=True) if row.size}
