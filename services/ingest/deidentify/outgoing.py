"""De-identification of a recording on its way out."""

from __future__ import annotations

from dataclasses import replace

from precordia.record import Recording, Remark
from services.ingest.deidentify.deidentified import pseudonyms_of, report
from services.ingest.deidentify.facts import TRANSFORM, clean_recording


def for_export(recording_id: str, recording: Recording, secret: bytes) -> tuple[str, Recording]:
    """A name for files and the recording to be written in them: another pseudonym than here, and moved dates.

    Dates that were moved on import stay where they are: they are moved once. The recording's own id
    stays out of the files; equal recordings get equal names.
    """
    pseudonyms = pseudonyms_of(recording, secret)
    cleaned, changed = clean_recording(recording, pseudonyms)
    if TRANSFORM in recording.provenance.transforms:
        cleaned = replace(cleaned, acquired_at=recording.acquired_at)
    hashed = pseudonyms.keyed("source", recording.provenance.source_sha256)
    cleaned = replace(cleaned, provenance=replace(cleaned.provenance, source_sha256=hashed))
    name = pseudonyms.label("recording", recording_id)
    return name, replace(cleaned, remarks=(Remark("deidentified", report(["recording id", *changed])),))
