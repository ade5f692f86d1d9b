"""De-identification of a source on its way in: clean it, read it again, and prove the samples unchanged.

What cannot be cleaned, or does not read back as the same samples, is not kept: its recordings are,
under cleaned facts that say so.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

import services.ingest.deidentify.aecg as aecg
import services.ingest.deidentify.dicom as dicom
import services.ingest.deidentify.edf as edf
import services.ingest.deidentify.muse as muse
import services.ingest.deidentify.scp as scp
import services.ingest.deidentify.sierra as sierra
import services.ingest.deidentify.wfdb as wfdb
from precordia.errors import PrecordiaError
from precordia.record import Channel, Recording, Remark
from precordia.source import Source
from services.ingest.deidentify.cleaned import Cleaned
from services.ingest.deidentify.facts import clean_recording
from services.ingest.deidentify.pseudonyms import Pseudonyms

log = logging.getLogger(__name__)

CLEANERS: dict[str, Callable[[Source, Pseudonyms], Cleaned | None]] = {
    "dicom": dicom.clean,
    "wfdb": wfdb.clean,
    "edf": edf.clean,
    "scp": scp.clean,
    "muse-xml": muse.clean,
    "sierra-xml": sierra.clean,
    "hl7-aecg": aecg.clean,
}
"""Formats that can be rewritten, by the reader's name."""

_NAMED = 60
"""Names that a report lists; what goes beyond is counted."""


@dataclass(frozen=True)
class Deidentified:
    """What may be kept: the rewritten source (None = nothing of it), and the recordings under cleaned facts."""

    source: Source | None
    recordings: tuple[Recording, ...]


def deidentified(
    source: Source, recordings: Sequence[Recording], read: Callable[[Source], Sequence[Recording]], secret: bytes
) -> Deidentified:
    """Clean a source whose recordings were read from it.

    Args:
        source: as it came; nothing of it is kept.
        recordings: its recordings, at least one.
        read: reads a source with the same hints.
        secret: the key of pseudonyms.
    """
    of_patient = [pseudonyms_of(recording, secret) for recording in recordings]
    cleaned = _cleaned(source, recordings, read, of_patient[0])
    kept = _kept_hash(source, cleaned, secret)
    named = cleaned.removed if cleaned is not None else ()
    return Deidentified(
        cleaned.source if cleaned is not None else None,
        tuple(
            _recording(recording, pseudonyms, kept, named, is_kept=cleaned is not None)
            for recording, pseudonyms in zip(recordings, of_patient, strict=True)
        ),
    )


def pseudonyms_of(recording: Recording, secret: bytes) -> Pseudonyms:
    """Of the recording's patient; of its source, where the patient is not known."""
    stands_for = recording.patient_key or f"{recording.provenance.source_sha256} {recording.provenance.source_index}"
    return Pseudonyms(secret, stands_for, known=bool(recording.patient_key))


def _cleaned(
    source: Source, recordings: Sequence[Recording], read: Callable[[Source], Sequence[Recording]], by: Pseudonyms
) -> Cleaned | None:
    """The rewritten source, if there is one and it reads back as the same samples."""
    cleaner = CLEANERS.get(recordings[0].provenance.format)
    if cleaner is None or len({recording.patient_key for recording in recordings}) > 1:
        return None
    try:
        cleaned = cleaner(source, by)
        again = read(cleaned.source) if cleaned is not None else ()
    except PrecordiaError as error:
        log.info("a cleaned source cannot be read: %s", error.reason)
        return None
    except Exception as error:  # whatever a file does to a cleaner, the way out is the same: keep nothing of it
        log.warning("a source cannot be cleaned: %s", type(error).__name__)
        return None
    return cleaned if same_samples(recordings, again) else None


def same_samples(before: Sequence[Recording], after: Sequence[Recording]) -> bool:
    """Whether two readings have the same channels: numbers, calibration, rate, unit and names."""
    return len(before) == len(after) and all(
        len(one.channels) == len(other.channels) and all(map(_is_same, one.channels, other.channels))
        for one, other in zip(before, after, strict=True)
    )


def _is_same(one: Channel, other: Channel) -> bool:
    calibration = (one.gain, one.baseline, one.unit, one.sample_rate_hz)
    return (
        calibration == (other.gain, other.baseline, other.unit, other.sample_rate_hz)
        and (one.label == other.label or not one.is_standard_lead)
        and one.samples.dtype == other.samples.dtype
        and np.array_equal(one.samples, other.samples, equal_nan=one.samples.dtype.kind == "f")
        and (one.missing is None) == (other.missing is None)
        and (one.missing is None or other.missing is None or np.array_equal(one.missing, other.missing))
    )


def _kept_hash(source: Source, cleaned: Cleaned | None, secret: bytes) -> str:
    """What tells the source again: the hash of what is kept, else a keyed one of what is not."""
    if cleaned is not None:
        return cleaned.source.sha256()
    return hmac.new(secret, f"source\0{source.sha256()}".encode(), hashlib.sha256).hexdigest()


def _recording(
    recording: Recording, pseudonyms: Pseudonyms, sha256: str, removed: Sequence[str], *, is_kept: bool
) -> Recording:
    cleaned, changed = clean_recording(recording, pseudonyms)
    keyed = replace(cleaned, patient_key=recording.patient_key)  # a keyed hash already: groups with what came before
    provenance = replace(keyed.provenance, source_sha256=sha256)
    remarks = [Remark("deidentified", report([*removed, *changed]))]
    if not is_kept:
        remarks.append(Remark("source_not_kept", "The file could not be rewritten without identity; it is not kept."))
    return replace(keyed, provenance=provenance, remarks=(*recording.remarks, *remarks))


def report(removed: Sequence[str]) -> str:
    """Names of what was taken out, never values."""
    names = list(dict.fromkeys(removed))
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"Taken out or changed: {', '.join(names[:_NAMED]) or 'nothing'}{more}. The samples are the same."
