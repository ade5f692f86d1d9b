"""Files that are full of identity, made by the tests themselves."""

from __future__ import annotations

import io

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import UID

from precordia.record import Recording
from precordia.source import Source
from services.ingest.deidentify.deidentified import Deidentified, deidentified
from services.ingest.formats import ReaderContext, read_source
from tests.services.ingest.ecg_files import wfdb
from tests.services.ingest.writers.sheets_to_write import twelve_leads, written

CONTEXT = ReaderContext(patient_secret=b"k" * 32)

IDENTITY = (
    "Rumpelstilzchen",
    "Gebrueder",
    "4711-0815",
    "19330229",
    "Grimmstrasse",
    "Hospital Bremen",
    "Cart 99",
    "Dr Hexe",
    "Knusperhaus",
    "1.2.276.0.7230010.3.1.4.77",
)
"""What must be found nowhere afterwards."""


def read(source: Source) -> tuple[Recording, ...]:
    """As the service reads."""
    return read_source(source, None, CONTEXT)


def cleaned(source: Source) -> Deidentified:
    """As the service de-identifies."""
    return deidentified(source, read(source), read, CONTEXT.patient_secret)


def dicom(*, patient: str = "4711-0815", day: str = "20200517", syntax: str = "", **attributes: object) -> Source:
    """A 12-lead ECG with identity in every corner."""
    dataset = pydicom.dcmread(io.BytesIO(written(twelve_leads(), "dicom")[0].content))
    dataset.PatientName = "Rumpelstilzchen^Gebrueder^^^III"
    dataset.PatientID = patient
    dataset.OtherPatientIDs = "4711-0815"
    dataset.PatientBirthDate = "19330229"
    dataset.PatientAddress = "Grimmstrasse 1"
    dataset.InstitutionName = "Hospital Bremen"
    dataset.StationName = dataset.DeviceSerialNumber = "Cart 99"
    dataset.OperatorsName = dataset.PerformingPhysicianName = "Dr Hexe"
    dataset.VisitComments = dataset.AdmissionID = "Knusperhaus"
    dataset.AccessionNumber = dataset.StudyID = "4711-0815"
    dataset.AcquisitionDateTime = f"{day}083015+0100"
    dataset.StudyDate = dataset.ContentDate = dataset.SeriesDate = day
    for keyword in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
        setattr(dataset, keyword, "1.2.276.0.7230010.3.1.4.77")
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.AcquisitionContextSequence = [_context()]
    dataset.WaveformAnnotationSequence = [_note(), _measurement()]
    dataset.WaveformSequence[0].MultiplexGroupLabel = "RUMPELSTILZCHEN"
    dataset.private_block(0x1455, "Maker", create=True).add_new(0x01, "LO", "Rumpelstilzchen")
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    file = io.BytesIO()
    if syntax:
        dataset.file_meta.TransferSyntaxUID = UID(syntax)
    dataset.preamble = b"Rumpelstilzchen".ljust(128, b"\0")
    pydicom.dcmwrite(
        file, dataset, implicit_vr=syntax == "1.2.840.10008.1.2", little_endian=True, enforce_file_format=True
    )
    return Source("Rumpelstilzchen.dcm", file.getvalue())


def _context() -> Dataset:
    item = Dataset()
    item.ValueType, item.TextValue = "TEXT", "seen at Knusperhaus"
    return item


def _note() -> Dataset:
    item = Dataset()
    item.UnformattedTextValue = "Confirmed by Dr Hexe"
    item.ReferencedWaveformChannels = [1, 0]
    return item


def _measurement() -> Dataset:
    item, name, unit = Dataset(), Dataset(), Dataset()
    name.CodeValue, name.CodingSchemeDesignator, name.CodeMeaning = "5.10.2.1-3", "SCPECG", "PR Interval"
    unit.CodeValue, unit.CodingSchemeDesignator, unit.CodeMeaning = "ms", "UCUM", "millisecond"
    item.ConceptNameCodeSequence, item.MeasurementUnitsCodeSequence = [name], [unit]
    item.NumericValue, item.ReferencedWaveformChannels = "154", [1, 0]
    return item


def wfdb_record() -> Source:
    """A record with a date, a name as record and file name, and comments."""
    made = wfdb(
        "Rumpelstilzchen", seed=5, comments="#Age: 93\n#Sex: Female\n#Dx: 426783006\n#Seen by Dr Hexe, Cart 99\n"
    )
    header = made.content.replace(b" 500 200\n", b" 500 200 08:30:15 17/05/2020\n", 1)
    return Source("Rumpelstilzchen.hea", header, {**made.companions, "Rumpelstilzchen.atr": b"Dr Hexe"})


def edf() -> Source:
    """EDF+ with a patient, a technician and an annotation."""
    import edfio

    samples = np.random.default_rng(2).integers(-900, 900, 1000).astype(np.int16)
    signal = edfio.EdfSignal.from_digital(
        samples, 500, label="ECG II", physical_dimension="mV", physical_range=(-5, 5), transducer_type="Cart 99"
    )
    made = edfio.Edf(
        [signal],
        patient=edfio.Patient(code="4711-0815", sex="F", name="Rumpelstilzchen"),
        recording=edfio.Recording(investigator_technician_code="Knusperhaus", equipment_code="Cart_99"),
        annotations=[edfio.EdfAnnotation(0.5, None, "Dr Hexe came")],
    )
    content = bytearray(made.to_bytes())
    content[168:184] = b"17.05.2008.30.15"
    return Source("Rumpelstilzchen.edf", bytes(content))
