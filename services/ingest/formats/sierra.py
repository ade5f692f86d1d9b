"""Philips SierraECG XML (document versions 1.03 and 1.04), compressed with XLI or plain.

The scale is microvolts for each count (`signalresolution`, later `resolution`). In XLI files four
limb leads are rebuilt; in plain ones every lead is stored. A calibration pulse at the end is cut off.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from xml.etree.ElementTree import Element  # the type only; parsing is defusedxml's

import numpy as np
from numpy.typing import NDArray

from precordia.errors import UnreadableFile
from precordia.leads import LIMB_LEADS, STANDARD_LEADS
from precordia.record import Hints, Native, Remark
from precordia.source import Source
from services.ingest.formats.calibration_pulse import calibration_start
from services.ingest.formats.facts import resolve_rate
from services.ingest.formats.limits import Limits, ReaderContext
from services.ingest.formats.parsed import ParsedEcg
from services.ingest.formats.sample_text import decode_base64, listed_numbers, stored_integers
from services.ingest.formats.sierra_facts import acquired_at, age_years, device, patient_id, sex
from services.ingest.formats.stored_leads import StoredLead, beat_remarks, lead_set
from services.ingest.formats.xli import rebuild_limb_leads, unpack_xli
from services.ingest.formats.xml_document import number, parse_xml, root_name, text, whole

FORMAT = "sierra-xml"
VERSION = "1"

_UNIT = "uV"
_PLAIN = ("", "none", "false", "uncompressed")


def sniff(source: Source) -> bool:
    """A root element `restingecgdata`."""
    return root_name(source.content).lower() == "restingecgdata"


def read(source: Source, hints: Hints, context: ReaderContext) -> tuple[ParsedEcg, ...]:
    """The waveform as one recording."""
    root = parse_xml(source.content, FORMAT)
    waveform = root.find("waveforms/parsedwaveforms")
    if waveform is None:
        raise UnreadableFile("The Philips file holds no parsed waveform.", format=FORMAT)
    facts = _facts(root, waveform)
    rate = resolve_rate(facts.rate_hz, hints)
    samples = _samples(waveform, facts, context.limits)
    remarks = [*_length_remarks(samples, facts), *_offset_remarks(root)]
    cut = None
    if facts.step_uv and all(row.dtype.kind == "i" for row in samples):
        cut = calibration_start(samples, 1000 / facts.step_uv, rate)
    if cut is not None:
        remarks.append(_cut_remark(cut, samples[0].size))
        samples = [row[:cut] for row in samples]
    leads = [
        StoredLead(label, _narrow(row), facts.step_uv, _UNIT) for label, row in zip(facts.labels, samples, strict=True)
    ]
    made, said = lead_set(leads, rate, hints), device(root)
    return (
        ParsedEcg(
            channels=made.channels,
            applied=hints.applied,
            patient_key=context.patient_key(patient_id(root), ""),
            acquired_at=acquired_at(root),
            age_years=age_years(root),
            sex=sex(root),
            device=said,
            remarks=(*remarks, *made.remarks, *beat_remarks(said, stored=root.find("waveforms/repbeats") is not None)),
            transforms=() if cut is None else (f"sierra.calibration_cut:{cut}",),
        ),
    )


@dataclass(frozen=True)
class _Facts:
    labels: tuple[str, ...]
    rate_hz: float | None
    step_uv: float | None
    samples: int | None
    compressed: bool


def _facts(root: Element, waveform: Element) -> _Facts:
    """What the file says about its waveform; newer versions say it beside the waveform."""
    said = {name.lower(): value.strip() for name, value in waveform.attrib.items()}
    general = root.find("dataacquisition/signalcharacteristics")
    rate = _stated(said.get("samplespersecond"), number(general, "samplingrate"))
    step = _stated(said.get("resolution"), number(general, "resolution"), number(general, "signalresolution"))
    duration_ms = _stated(said.get("durationperchannel"))
    return _Facts(
        labels=_labels(said, general),
        rate_hz=rate,
        step_uv=step,
        samples=round(duration_ms * rate / 1000) if duration_ms and rate else None,
        compressed=_compressed(said),
    )


def _stated(written: str | None, *others: float | None) -> float | None:
    """The first number that is stated."""
    if written:
        try:
            value = float(written)
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or abs(value) > 1e12:
            raise UnreadableFile("The Philips file describes its waveform by something that is no number.")
        return value
    return next((other for other in others if other is not None), None)


def _compressed(said: dict[str, str]) -> bool:
    if said.get("compressflag", "").lower() == "false":
        return False
    method = said.get("compressmethod", said.get("compression", ""))
    if method.upper() != "XLI" and method.lower() not in _PLAIN:
        raise UnreadableFile("The Philips file is compressed in a way that is not known.", format=FORMAT)
    return method.upper() == "XLI"


def _labels(said: dict[str, str], general: Element | None) -> tuple[str, ...]:
    """Names of the leads, as listed, or as the lead set that the file names implies; empty where it names none."""
    if said.get("leadlabels"):
        return tuple(said["leadlabels"].replace(",", " ").split())
    count = whole(general, "numberchannelsvalid")
    if count == len(STANDARD_LEADS) and text(general, "leadset").upper().startswith("STD-12"):
        return STANDARD_LEADS
    if count is None or not 0 < count <= 64:
        raise UnreadableFile("The Philips file does not say how many leads it has.", format=FORMAT)
    return ("",) * count


def _samples(waveform: Element, facts: _Facts, limits: Limits) -> list[Native]:
    """Native of each lead."""
    limits.check_samples(len(facts.labels), facts.samples or 1)
    content = "".join(waveform.itertext())
    if facts.compressed:
        stored = unpack_xli(decode_base64(content), len(facts.labels), limits)
        if len({chunk.size for chunk in stored}) > 1:
            raise UnreadableFile("The compressed leads differ in length; the file is damaged.", format=FORMAT)
        return list(_whole_leads(stored, facts.labels))
    plain = waveform.get("dataencoding", "").lower() == "plain"
    if not plain and waveform.get("bitspersample", waveform.get("nbitspersample", "16")).strip() != "16":
        raise UnreadableFile("The Philips file has samples that are not of 16 bits.", format=FORMAT)
    flat = listed_numbers(content, limits) if plain else stored_integers(decode_base64(content))
    if not flat.size or flat.size % len(facts.labels):
        raise UnreadableFile("The Philips file has leads of unequal length; it is damaged.", format=FORMAT)
    each = flat.size // len(facts.labels)
    return [flat[place * each : (place + 1) * each] for place in range(len(facts.labels))]


def _whole_leads(stored: list[NDArray[np.int16]], labels: tuple[str, ...]) -> list[Native]:
    if tuple(label.upper() for label in labels[:6]) != tuple(lead.upper() for lead in LIMB_LEADS):
        if not any(label.upper() in ("III", "AVR", "AVL", "AVF") for label in labels) and all(labels):
            return list(stored)
        raise UnreadableFile(
            "The compressed Philips file does not list its limb leads in the order that they are rebuilt in.",
            format=FORMAT,
        )
    return list(rebuild_limb_leads(stored))


def _narrow(row: Native) -> Native:
    if row.dtype == np.int32 and row.size and row.min() > -(1 << 15) and row.max() < 1 << 15:
        return row.astype(np.int16)
    return row


def _length_remarks(samples: list[Native], facts: _Facts) -> list[Remark]:
    have = samples[0].size
    if facts.samples is None or facts.samples == have:
        return []
    if have < facts.samples:
        raise UnreadableFile("The Philips file has fewer samples than it says.", format=FORMAT)
    return [Remark("length_mismatch", f"The file says {facts.samples} samples for each lead and holds {have}.")]


def _offset_remarks(root: Element) -> list[Remark]:
    offset = number(root, "dataacquisition/signalcharacteristics/signaloffset")
    if not offset:
        return []
    return [Remark("signal_offset", f"The file states a signal offset of {offset:g} without a unit; it is left in.")]


def _cut_remark(start: int, samples: int) -> Remark:
    return Remark(
        "calibration_pulse",
        f"A calibration pulse of 1 mV follows the ECG; the last {samples - start} of {samples} samples are cut off.",
    )
