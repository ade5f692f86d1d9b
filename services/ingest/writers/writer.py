"""The one table of formats that recordings are written in."""

from __future__ import annotations

from collections.abc import Callable

import services.ingest.writers.csv_table as csv_table
import services.ingest.writers.dicom as dicom
import services.ingest.writers.edf as edf
import services.ingest.writers.fhir as fhir
import services.ingest.writers.json_document as json_document
import services.ingest.writers.npz as npz
import services.ingest.writers.wfdb_record as wfdb_record
from services.ingest.sheet import Sheet
from services.ingest.writers.written import WrittenFile

WRITERS: dict[str, Callable[[Sheet], tuple[WrittenFile, ...]]] = {
    npz.FORMAT: npz.write,
    csv_table.FORMAT: csv_table.write,
    json_document.FORMAT: json_document.write,
    wfdb_record.FORMAT: wfdb_record.write,
    edf.FORMAT: edf.write,
    dicom.FORMAT: dicom.write,
    fhir.FORMAT: fhir.write,
}
"""Writers by the name of their format."""
