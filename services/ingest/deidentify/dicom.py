"""DICOM without identity: PS3.15 Annex E's basic profile, and beyond it.

The basic profile lists what to remove; here is listed what may stay: the attributes that say what
the waveform is. All others go, private ones, comments, acquisition context and free text of
annotations among them. UIDs are replaced, dates moved, sex and age kept (Retain Patient
Characteristics, Retain Longitudinal Temporal Information with Modified Dates).
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from precordia.leads import match_lead
from precordia.source import Source
from services.ingest.deidentify.cleaned import Cleaned
from services.ingest.deidentify.pseudonyms import Pseudonyms

if TYPE_CHECKING:
    from pydicom.dataset import Dataset, FileMetaDataset

_TECHNICAL_NAMES = """
    SpecificCharacterSet SOPClassUID Modality Manufacturer ManufacturerModelName SoftwareVersions SeriesNumber
    InstanceNumber PatientSex PatientAge StudyTime ContentTime AcquisitionTime WaveformSequence
    MultiplexGroupTimeOffset TriggerTimeOffset TriggerSamplePosition WaveformOriginality NumberOfWaveformChannels
    NumberOfWaveformSamples SamplingFrequency MultiplexGroupLabel WaveformBitsAllocated WaveformSampleInterpretation
    WaveformPaddingValue WaveformData ChannelMinimumValue ChannelMaximumValue ChannelDefinitionSequence
    WaveformChannelNumber ChannelLabel ChannelStatus ChannelSourceSequence ChannelSourceModifiersSequence
    ChannelSensitivity ChannelSensitivityUnitsSequence ChannelSensitivityCorrectionFactor ChannelBaseline
    ChannelTimeSkew ChannelSampleSkew ChannelOffset WaveformBitsStored FilterLowFrequency FilterHighFrequency
    NotchFilterFrequency NotchFilterBandwidth WaveformAnnotationSequence ConceptNameCodeSequence ConceptCodeSequence
    ModifierCodeSequence MeasurementUnitsCodeSequence NumericValue ReferencedWaveformChannels TemporalRangeType
    ReferencedSamplePositions ReferencedTimeOffsets AnnotationGroupNumber CodeValue CodingSchemeDesignator
    CodingSchemeVersion CodeMeaning
"""

_TECHNICAL = frozenset(_TECHNICAL_NAMES.split())
_MOVED = frozenset({"AcquisitionDateTime", "AcquisitionDate", "ContentDate", "StudyDate"})
_REPLACED = frozenset({"SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"})
_EMPTIED = ("PatientBirthDate", "ReferringPhysicianName", "StudyID", "AccessionNumber")
_TEXTS = frozenset({"LO", "SH", "ST", "LT", "UT", "UC", "PN"})
_METHODS = (
    ("113100", "Basic Application Confidentiality Profile"),
    ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
    ("113108", "Retain Patient Characteristics Option"),
)


def clean(source: Source, pseudonyms: Pseudonyms) -> Cleaned:
    """The file with what is technical alone, in its own transfer syntax."""
    import pydicom
    from pydicom import config

    config.settings.reading_validation_mode = config.IGNORE  # as when reading: values are looked at here
    before = pydicom.dcmread(io.BytesIO(source.content), force=True)
    removed: dict[str, None] = {}
    after = _kept(before, pseudonyms, removed)
    _blank(after, _identities(before), removed)
    _drop_empty_annotations(after)
    _say(before, after, pseudonyms)
    content = _written(before, after)
    if source.content[:128].strip(b"\0") and source.content[128:132] == b"DICM":
        removed["preamble"] = None
    return Cleaned(Source(f"{pseudonyms.label('name', source.name)}.dcm", content), tuple(removed))


def _kept(before: Dataset, pseudonyms: Pseudonyms, removed: dict[str, None]) -> Dataset:
    """A copy of what may stay, at every depth; `removed` takes the names of the rest."""
    from pydicom.dataset import Dataset
    from pydicom.sequence import Sequence

    after = Dataset()
    for element in before:
        keyword = element.keyword
        if keyword in _MOVED:
            moved = _moved(str(element.value or ""), pseudonyms)
            setattr(after, keyword, moved)
            removed[f"{keyword} (moved)"] = None
        elif keyword in _REPLACED:
            setattr(after, keyword, pseudonyms.uid(str(element.value)))
            removed[f"{keyword} (replaced)"] = None
        elif keyword not in _TECHNICAL:
            removed["private elements" if element.tag.is_private else keyword or "unknown elements"] = None
        elif element.VR == "SQ":
            setattr(after, keyword, Sequence([_kept(item, pseudonyms, removed) for item in element.value or ()]))
        else:
            after.add(element)
    return after


def _moved(text: str, pseudonyms: Pseudonyms) -> str:
    """A DA or DT value on another day, without a zone; what is no date becomes empty."""
    match = re.match(r"^(\d{4})\.?(\d{2})\.?(\d{2})(\d*(?:\.\d+)?)", text.strip())
    if match is None:
        return ""
    try:
        day = datetime(int(match[1]), int(match[2]), int(match[3]))
        return f"{pseudonyms.moved(day):%Y%m%d}{match[4]}"
    except (ValueError, OverflowError):
        return ""


def _drop_empty_annotations(dataset: Dataset) -> None:
    """Annotations that said nothing but their text say nothing any more."""
    items = list(dataset.get("WaveformAnnotationSequence") or ())
    kept = [item for item in items if "ConceptNameCodeSequence" in item or "ConceptCodeSequence" in item]
    if kept:
        dataset.WaveformAnnotationSequence = kept
    elif items:
        del dataset.WaveformAnnotationSequence


def _identities(dataset: Dataset) -> set[str]:
    """Words of what identifies the patient or people, to be found again in texts that stay."""
    words: set[str] = set()
    for element in dataset.iterall():
        if element.VR == "PN" or element.keyword in ("PatientID", "OtherPatientIDs", "AccessionNumber", "StudyID"):
            words.update(re.split(r"[\s^=,;.\\]+", str(element.value or "").casefold()))
    return {word for word in words if len(word) >= 3 and match_lead(word) is None}


def _blank(dataset: Dataset, identities: set[str], removed: dict[str, None]) -> None:
    """Empty every text that stayed and holds one of the words."""
    for element in dataset.iterall():
        if element.VR in _TEXTS and element.value and identities.intersection(_words(element.value)):
            removed[element.keyword] = None
            element.value = ""


def _words(value: Any) -> Iterator[str]:
    texts: Iterable[Any] = value if isinstance(value, list | tuple) else [value]
    for text in texts:
        yield from re.split(r"[^\w]+", str(text).casefold())


def _say(before: Dataset, after: Dataset, pseudonyms: Pseudonyms) -> None:
    """Pseudonym, empty required attributes, and how the identity was taken out."""
    from pydicom.dataset import Dataset

    after.PatientID = pseudonyms.name
    after.PatientName = f"{pseudonyms.name}^" if pseudonyms.known else ""
    for keyword in _EMPTIED:
        setattr(after, keyword, "")
    age = re.match(r"^(\d{3})Y$", str(before.get("PatientAge") or "").strip())
    if age is not None and int(age[1]) > 89:
        after.PatientAge = "090Y"
    after.AcquisitionContextSequence = []
    after.PatientIdentityRemoved = "YES"
    after.LongitudinalTemporalInformationModified = "MODIFIED"
    after.DeidentificationMethod = "Precordia: technical attributes kept"
    methods = []
    for value, meaning in _METHODS:
        method = Dataset()
        method.CodeValue, method.CodingSchemeDesignator, method.CodeMeaning = value, "DCM", meaning
        methods.append(method)
    after.DeidentificationMethodCodeSequence = methods


def _written(before: Dataset, after: Dataset) -> bytes:
    from pydicom import dcmwrite

    after.file_meta = _meta(before, after)
    implicit, little = before.original_encoding
    after.set_original_encoding(implicit, little, before.original_character_set)
    file = io.BytesIO()
    dcmwrite(file, after, enforce_file_format=True)
    return file.getvalue()


def _meta(before: Dataset, after: Dataset) -> FileMetaDataset:
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import (
        UID,
        DeflatedExplicitVRLittleEndian,
        ExplicitVRBigEndian,
        ExplicitVRLittleEndian,
        ImplicitVRLittleEndian,
    )

    implicit, little = before.original_encoding
    stated = getattr(before, "file_meta", None)
    syntax = stated.get("TransferSyntaxUID") if stated is not None else None
    meta = FileMetaDataset()
    if syntax == DeflatedExplicitVRLittleEndian:
        meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    elif implicit:
        meta.TransferSyntaxUID = ImplicitVRLittleEndian
    else:
        meta.TransferSyntaxUID = ExplicitVRLittleEndian if little is not False else ExplicitVRBigEndian
    meta.MediaStorageSOPClassUID = after.get("SOPClassUID", UID("1.2.840.10008.5.1.4.1.1.9.1.2"))
    meta.MediaStorageSOPInstanceUID = after.get("SOPInstanceUID", UID("2.25.1"))
    meta.ImplementationClassUID = UID("2.25.1")
    return meta
