"""The one way from a source's bytes to recordings: sniff, read, check, sign with provenance."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

import services.ingest.formats.aecg as aecg
import services.ingest.formats.cardiosoft as cardiosoft
import services.ingest.formats.contec as contec
import services.ingest.formats.dicom as dicom
import services.ingest.formats.edf as edf
import services.ingest.formats.fhir as fhir
import services.ingest.formats.hdf5 as hdf5
import services.ingest.formats.headerless as headerless
import services.ingest.formats.ishne as ishne
import services.ingest.formats.mat as mat
import services.ingest.formats.mfer as mfer
import services.ingest.formats.muse as muse
import services.ingest.formats.npy as npy
import services.ingest.formats.schiller as schiller
import services.ingest.formats.scp as scp
import services.ingest.formats.sierra as sierra
import services.ingest.formats.table as table
import services.ingest.formats.wfdb as wfdb
from precordia.errors import MissingField, PrecordiaError, UnknownFormat, UnreadableFile
from precordia.record import Hints, Provenance, Recording
from precordia.source import Source
from services.ingest.formats.checks import remarks_on
from services.ingest.formats.foreign import foreign_kind
from services.ingest.formats.gaps import complete
from services.ingest.formats.limits import ReaderContext
from services.ingest.formats.parsed import ParsedEcg

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reader:
    """One format: how it is told by its bytes, and how it is read.

    Attributes:
        name: of the format.
        version: of the reader.
        sniff: whether a source's bytes are of this format.
        read: its recordings.
        first: bytes with which every file of the format begins; empty where it can be any.
    """

    name: str
    version: str
    sniff: Callable[[Source], bool]
    read: Callable[[Source, Hints, ReaderContext], tuple[ParsedEcg, ...]]
    first: bytes = b""


_BLANKS = bytes(byte for byte in range(256) if chr(byte).isspace())
_XML, _JSON = b"<\xef\xfe\xff\0" + _BLANKS, b"{\xef" + _BLANKS
_HEADERLESS = Reader(headerless.FORMAT, headerless.VERSION, lambda source: False, headerless.read)
_TABLE = Reader(table.FORMAT, table.VERSION, table.sniff, table.read)
_NPZ = Reader(npy.NPZ, npy.VERSION, npy.sniff_npz, npy.read_npz, b"P")
_UNSPECIFIC = (None, _HEADERLESS, _TABLE, _NPZ)
"""Readers whose mark other files bear, too: any text, any ZIP, any bytes."""

READERS: tuple[Reader, ...] = (
    Reader(dicom.FORMAT, dicom.VERSION, dicom.sniff, dicom.read),
    _NPZ,
    Reader(npy.NPY, npy.VERSION, npy.sniff_npy, npy.read_npy, b"\x93"),
    Reader(fhir.FORMAT, fhir.VERSION, fhir.sniff, fhir.read, _JSON),
    Reader(muse.FORMAT, muse.VERSION, muse.sniff, muse.read, _XML),
    Reader(sierra.FORMAT, sierra.VERSION, sierra.sniff, sierra.read, _XML),
    Reader(aecg.FORMAT, aecg.VERSION, aecg.sniff, aecg.read, _XML),
    Reader(cardiosoft.FORMAT, cardiosoft.VERSION, cardiosoft.sniff, cardiosoft.read, _XML),
    Reader(schiller.FORMAT, schiller.VERSION, schiller.sniff, schiller.read, _XML),
    Reader(wfdb.FORMAT, wfdb.VERSION, wfdb.sniff, wfdb.read),
    Reader(mat.FORMAT, mat.VERSION, mat.sniff, mat.read),
    Reader(hdf5.FORMAT, hdf5.VERSION, hdf5.sniff, hdf5.read),
    Reader(scp.FORMAT, scp.VERSION, scp.sniff, scp.read),
    Reader(edf.FORMAT, edf.VERSION, edf.sniff, edf.read, b"0\xff"),
    Reader(ishne.FORMAT, ishne.VERSION, ishne.sniff, ishne.read, b"IA"),
    Reader(mfer.FORMAT, mfer.VERSION, mfer.sniff, mfer.read, b"@"),
    Reader(contec.FORMAT, contec.VERSION, contec.sniff, contec.read),
    _TABLE,
)
"""In the order in which they are asked."""

_BEGINNING_WITH = tuple(
    tuple(reader for reader in READERS if not reader.first or byte in reader.first) for byte in range(256)
)
"""The readers that a file's first byte leaves."""

DEFAULT_CONTEXT = ReaderContext()


def sniff(source: Source) -> Reader | None:
    """The reader that knows these bytes. Names and extensions are not looked at."""
    readers = _BEGINNING_WITH[source.content[0]] if source.content else READERS
    for reader in readers:
        if reader.sniff(source):
            return reader
    return None


def reader_for(source: Source, hints: Hints) -> Reader | None:
    """The reader that knows these bytes; where none does, the one that hints or the file's name ask for."""
    known = sniff(source) or (_TABLE if hints.delimiter else None)
    return known or (_HEADERLESS if headerless.may_be(source) else None)


def read_source(
    source: Source, hints: Hints | None = None, context: ReaderContext = DEFAULT_CONTEXT
) -> tuple[Recording, ...]:
    """All recordings in a source, in its order.

    Raises:
        UnknownFormat: no reader knows the bytes, or there are none.
        UnreadableFile: the format is known and the file is broken.
        MissingField, HintConflict: a fact is missing, or a hint contradicts the file.
        UnsafeContent, TooLarge: it is not opened at all, or not further.
    """
    hints = hints or Hints()
    try:
        return read_as_hinted(source, hints, context)
    except MissingField as error:
        raise complete(error, lambda tried: read_as_hinted(source, tried, context), hints) from None


def read_as_hinted(source: Source, hints: Hints, context: ReaderContext) -> tuple[Recording, ...]:
    """As `read_source`, stopping at the first fact that is missing."""
    context.limits.check_bytes(len(source.content) + sum(map(len, source.companions.values())))
    reader = _fitting_reader(source, hints)
    parsed = _guarded(reader, source, hints, context)
    context.limits.check_recordings(len(parsed))
    sha256 = source.sha256()
    return tuple(_recording(ecg, index, reader, source.name, sha256, hints) for index, ecg in enumerate(parsed))


def _fitting_reader(source: Source, hints: Hints) -> Reader:
    """The reader for a source.

    Raises:
        UnknownFormat: there is none; what the file is instead is said where its bytes state it.
    """
    if not source.content:
        raise UnknownFormat("The file is empty (0 bytes); copy or export it again.")
    reader = reader_for(source, hints)
    if reader in _UNSPECIFIC and (kind := foreign_kind(source)):
        raise UnknownFormat(f"The file is {kind}.")
    if reader is None:
        raise UnknownFormat(
            "No reader knows this file. Read are DICOM waveforms, WFDB (.hea with its signal files), SCP-ECG, EDF, "
            "BDF, HL7 aECG, FHIR sampled data, the XML files of GE MUSE, GE CardioSoft, Philips and Schiller, ISHNE, "
            "MFER, Contec, HDF5, MATLAB, NPY, NPZ, CSV and other tables; bare samples with --rate, --gain and --leads."
        )
    return reader


def _guarded(reader: Reader, source: Source, hints: Hints, context: ReaderContext) -> tuple[ParsedEcg, ...]:
    """A reader's answer; whatever else goes wrong in it is a fault of the file's, and typed."""
    try:
        return reader.read(source, hints, context)
    except PrecordiaError:
        raise
    except Exception as error:  # a broken file can fail a parser in any way; the caller sees one
        log.info("the %s reader failed with %s", reader.name, type(error).__name__)
        raise UnreadableFile(
            f"The file looks like {reader.name} but cannot be read; it is broken or cut short.", format=reader.name
        ) from error


def _recording(
    ecg: ParsedEcg, index: int, reader: Reader, source_name: str, source_sha256: str, hints: Hints
) -> Recording:
    return Recording(
        channels=ecg.channels,
        provenance=Provenance(
            source_name=source_name,
            source_sha256=source_sha256,
            reader=f"precordia.{reader.name}",
            reader_version=reader.version,
            format=reader.name,
            source_index=index,
            source_record=ecg.source_record,
            hints=hints,
            transforms=ecg.transforms,
        ),
        applied=ecg.applied,
        patient_key=ecg.patient_key,
        acquired_at=ecg.acquired_at,
        age_years=ecg.age_years,
        sex=ecg.sex,
        device=ecg.device,
        labels=ecg.labels,
        remarks=(*ecg.remarks, *remarks_on(ecg.channels)),
    )
