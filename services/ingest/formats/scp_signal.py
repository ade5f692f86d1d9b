"""Samples of an SCP-ECG record: decoded, summed up, and put together again.

What a writer may have done, undone in the reverse order: Huffman codes, first or second
differences, every n-th sample only outside of protected areas (bimodal), subtraction of the
reference beat.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from precordia.errors import UnreadableFile
from precordia.record import Native, Remark
from services.ingest.formats.blocks import native
from services.ingest.formats.limits import Limits
from services.ingest.formats.sampling_interval import rate_from_interval
from services.ingest.formats.scp_huffman import HuffmanTables, decode
from services.ingest.formats.scp_sections import FORMAT, BeatTable, LeadSpan, LeadTable, broken

Numbers = NDArray[np.int64]

_MAX_DECIMATION = 16
_NANOVOLTS_PER_MV = 1_000_000


@dataclass(frozen=True, eq=False)
class CodedLeads:
    """Sections 5 and 6: bytes of each lead, with what they need to become samples.

    `nanovolts` is the value of a count, `interval_us` the time between samples.
    """

    nanovolts: int
    interval_us: int
    differences: int
    bimodal: bool
    data: tuple[bytes, ...]

    @property
    def rate_hz(self) -> float:
        """Samples per second."""
        return rate_from_interval(str(self.interval_us), "us")


@dataclass(frozen=True, eq=False)
class ScpSignal:
    """Counts of each lead on one time base, and their scale. `missing` is None for a lead that spans it."""

    rows: tuple[Native, ...]
    missing: tuple[NDArray[np.bool_] | None, ...]
    counts_per_mv: float
    rate_hz: float
    remarks: tuple[Remark, ...] = ()
    transforms: tuple[str, ...] = ()


def read_coded(body: bytes, leads: int) -> CodedLeads | None:
    """Section 5 or 6; None where it is not there.

    Raises:
        UnreadableFile: it is cut short, or states a scale or interval of 0.
    """
    if not body:
        return None
    if len(body) < 6 + 2 * leads:
        raise broken()
    nanovolts, interval_us, differences, flag = struct.unpack_from("<HHBB", body)
    sizes = struct.unpack_from(f"<{leads}H", body, 6)
    if not nanovolts or not interval_us or differences > 2:
        raise UnreadableFile("The SCP-ECG file states a scale, interval or coding that cannot be.", format=FORMAT)
    data, at = [], 6 + 2 * leads
    for size in sizes:
        if at + size > len(body):
            raise broken()
        data.append(body[at : at + size])
        at += size
    return CodedLeads(nanovolts, interval_us, differences, bool(flag & 1), tuple(data))


def reference_beats(coded: CodedLeads, beats: BeatTable, tables: HuffmanTables | None) -> tuple[Numbers, ...]:
    """The reference beat of each lead in its own counts."""
    count = beats.length_ms * 1000 // coded.interval_us
    return tuple(_summed(decode(data, count, tables, whole=False), coded.differences) for data in coded.data)


def rhythm(
    coded: CodedLeads,
    reference: CodedLeads | None,
    leads: LeadTable,
    beats: BeatTable,
    tables: HuffmanTables | None,
    limits: Limits,
) -> ScpSignal:
    """The signal of all leads.

    Raises:
        UnreadableFile: what the record says of itself does not fit together.
    """
    limits.check_samples(len(leads.leads), max(lead.samples for lead in leads.leads))
    if leads.beat_subtracted and (reference is None or not beats.length_ms):
        raise UnreadableFile("The SCP-ECG file lacks the reference beat that was subtracted.", format=FORMAT)
    step = _decimation(coded, reference, leads, beats)
    rows = [
        _restored(data, lead, coded, beats, tables, step) for data, lead in zip(coded.data, leads.leads, strict=True)
    ]
    scale = coded.nanovolts
    if leads.beat_subtracted and reference is not None:
        scale = _add_beats(rows, coded, reference, leads, beats, tables)
    aligned = _aligned([native(row) for row in rows], leads, limits)
    return ScpSignal(
        rows=tuple(row for row, _ in aligned),
        missing=tuple(missing for _, missing in aligned),
        counts_per_mv=_NANOVOLTS_PER_MV / scale,
        rate_hz=coded.rate_hz * step,
        remarks=_lossy(step),
        transforms=_undone(coded, leads, step),
    )


def _aligned(rows: list[Native], leads: LeadTable, limits: Limits) -> list[tuple[Native, NDArray[np.bool_] | None]]:
    """Leads that were not recorded all at once, each at its time; what it does not span is missing."""
    first, last = min(lead.first for lead in leads.leads), max(lead.last for lead in leads.leads)
    total = last - first + 1
    if all(lead.samples == total for lead in leads.leads):
        return [(row, None) for row in rows]
    limits.check_samples(len(rows), total)
    limits.check_unpacked(sum(row.nbytes for row in rows), 3 * total * len(rows))
    aligned: list[tuple[Native, NDArray[np.bool_] | None]] = []
    for row, lead in zip(rows, leads.leads, strict=True):
        samples, missing = np.zeros(total, row.dtype), np.ones(total, np.bool_)
        place = slice(lead.first - first, lead.last - first + 1)
        samples[place], missing[place] = row, False
        aligned.append((samples, missing if missing.any() else None))
    return aligned


def _decimation(coded: CodedLeads, reference: CodedLeads | None, leads: LeadTable, beats: BeatTable) -> int:
    """Of how many samples one was kept outside of the protected areas; 1 where all were."""
    other = reference.interval_us if reference is not None else coded.interval_us
    if not coded.bimodal or other == coded.interval_us:
        if leads.beat_subtracted and other != coded.interval_us:
            raise UnreadableFile(
                "The SCP-ECG file has a reference beat at another rate than its signal.", format=FORMAT
            )
        return 1
    step, rest = divmod(coded.interval_us, other)
    if rest or not 1 <= step <= _MAX_DECIMATION or not beats.protected:
        raise UnreadableFile("The SCP-ECG file's bimodal compression does not fit its intervals.", format=FORMAT)
    return step


def _restored(
    data: bytes, lead: LeadSpan, coded: CodedLeads, beats: BeatTable, tables: HuffmanTables | None, step: int
) -> Numbers:
    """One lead's samples at the full rate."""
    if step == 1:
        return _summed(decode(data, lead.samples, tables), coded.differences)
    spans = _spans(lead, beats)
    count = sum(size if kept else -(-size // step) for size, kept in spans)
    stored = _summed(decode(data, count, tables), coded.differences)
    parts, at = [], 0
    for size, kept in spans:
        taken = size if kept else -(-size // step)
        part = stored[at : at + taken]
        parts.append(part if kept else _interpolated(part, size, step))
        at += taken
    return np.concatenate(parts)


def _spans(lead: LeadSpan, beats: BeatTable) -> list[tuple[int, bool]]:
    """Lengths of the lead's stretches in turn, and whether each is protected."""
    spans: list[tuple[int, bool]] = []
    at = lead.first
    for begin, end in beats.protected:
        begin, end = max(begin, at), min(end, lead.last)
        if end < begin:
            continue
        if begin > at:
            spans.append((begin - at, False))
        spans.append((end - begin + 1, True))
        at = end + 1
    if at <= lead.last:
        spans.append((lead.last - at + 1, False))
    return spans


def _interpolated(stored: Numbers, size: int, step: int) -> Numbers:
    """Each stored sample is the mean of `step` ones and stands in their middle; straight lines between."""
    middles = np.arange(stored.size) * step + (step - 1) / 2
    return np.rint(np.interp(np.arange(size), middles, stored)).astype(np.int64)


def _summed(values: NDArray[np.int32], differences: int) -> Numbers:
    """Samples from their differences; the first one or two stand as they are."""
    wide = values.astype(np.int64)
    if differences == 1:
        return np.cumsum(wide)
    if differences == 2 and wide.size > 2:
        slopes = wide[1:].copy()
        slopes[0] = wide[1] - wide[0]
        samples = np.empty_like(wide)
        samples[0] = wide[0]
        samples[1:] = wide[0] + np.cumsum(np.cumsum(slopes))
        return samples
    return wide


def _add_beats(
    rows: list[Numbers],
    coded: CodedLeads,
    reference: CodedLeads,
    leads: LeadTable,
    beats: BeatTable,
    tables: HuffmanTables | None,
) -> int:
    """Put the reference beat back at each place of type 0; returns the value of a count then, in nanovolts."""
    scale = int(np.gcd(coded.nanovolts, reference.nanovolts))
    templates = reference_beats(reference, beats, tables)
    for place, (lead, template) in enumerate(zip(leads.leads, templates, strict=True)):
        rows[place] = rows[place] * (coded.nanovolts // scale)
        scaled = template * (reference.nanovolts // scale)
        for beat in beats.beats:
            if beat.kind == 0:
                _add_beat(rows[place], lead.first, scaled, beat.first, beat.last, beat.fiducial - beats.fiducial)
    return scale


def _add_beat(row: Numbers, origin: int, template: Numbers, first: int, last: int, shift: int) -> None:
    """Add samples `first` to `last`; sample n of the lead is sample n - shift of the beat, both from 1."""
    begin = max(first, origin, shift + 1)
    end = min(last, origin + row.size - 1, shift + template.size)
    if begin <= end:
        row[begin - origin : end - origin + 1] += template[begin - shift - 1 : end - shift]


def _lossy(step: int) -> tuple[Remark, ...]:
    if step == 1:
        return ()
    return (
        Remark(
            "lossy_compression",
            f"Outside of the QRS complexes the file keeps one of {step} samples; those between are interpolated.",
        ),
    )


def _undone(coded: CodedLeads, leads: LeadTable, step: int) -> tuple[str, ...]:
    done = [f"scp.differences_summed:{coded.differences}"] if coded.differences else []
    done += ["scp.leads_aligned"] if len({(lead.first, lead.last) for lead in leads.leads}) > 1 else []
    done += [f"scp.bimodal_interpolated:{step}"] if step > 1 else []
    return (*done, "scp.reference_beat_added") if leads.beat_subtracted else tuple(done)
