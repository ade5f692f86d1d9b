"""DICOM waveform: a 12-lead ECG where it is one, else a general or an ambulatory ECG.

Samples are 16-bit signed, missing ones are the padding value. Sensitivity is in microvolts for each
count. The file carries a pseudonym, age, sex and device, and nothing else about the patient.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from precordia.errors import UnsupportedView
from precordia.leads import STANDARD_LEADS
from precordia.record import MILLIVOLTS_PER, Channel, Remark, Sex, Unit
from services.ingest.sheet import VOLTAGES, Sheet
from services.ingest.writers.counts import MISSING, Counts, as_counts
from services.ingest.writers.said import passed_band
from services.ingest.writers.written import WrittenFile

if TYPE_CHECKING:
    from pydicom.dataset import Dataset, FileMetaDataset

FORMAT = "dicom"


@dataclass(frozen=True)
class _Kind:
    """An ECG object (PS3.3 A.34) and what it can hold."""

    sop_class: str
    channels: int
    samples: int
    rates_hz: tuple[float, float]


_KINDS = (
    _Kind("1.2.840.10008.5.1.4.1.1.9.1.1", 13, 16_384, (200.0, 1000.0)),
    _Kind("1.2.840.10008.5.1.4.1.1.9.1.2", 24, 1 << 30, (200.0, 1000.0)),
    _Kind("1.2.840.10008.5.1.4.1.1.9.1.3", 12, 1 << 30, (50.0, 1000.0)),
)
"""12-lead, general, ambulatory; the first that fits is taken."""

_CODES = dict(zip(("I", "II", "V1", "V2", "V3", "V4", "V5", "V6", "V7"), range(1, 10), strict=True))
_CODES |= {"X": 16, "Y": 17, "Z": 18, "III": 61, "aVR": 62, "aVL": 63, "aVF": 64, "V8": 66, "V9": 67}
"""Numbers of CID 3001 in the scheme MDC (2:n)."""


def write(sheet: Sheet) -> tuple[WrittenFile, ...]:
    """One file with the voltages of the sheet; channels that are none are left out and remarked.

    Raises:
        UnsupportedView: there is no voltage, or no ECG object holds the rate or so many channels.
    """
    from pydicom import dcmwrite

    channels = [channel for channel in sheet.channels if channel.unit in VOLTAGES]
    remarks = [
        Remark("left_out", "A DICOM ECG holds voltages only; this channel is left out.", channel.label)
        for channel in sheet.channels
        if channel.unit not in VOLTAGES
    ]
    kind = _kind(sheet, channels)
    counts = [as_counts(channel) for channel in channels]
    remarks += [
        Remark("rounded", "Samples were rounded to 16 bits.", channel.label)
        for channel, one in zip(channels, counts, strict=True)
        if not one.exact
    ]
    dataset = _identified(sheet, kind)
    dataset.WaveformSequence = [_group(sheet, channels, counts)]
    dataset.SOPInstanceUID = _uid(dataset.WaveformSequence[0].WaveformData, sheet.name, "instance")
    dataset.file_meta = _meta(dataset)
    file = io.BytesIO()
    dcmwrite(file, dataset, enforce_file_format=True)
    return (WrittenFile(f"{sheet.name}.dcm", file.getvalue(), tuple(remarks)),)


def _kind(sheet: Sheet, channels: Sequence[Channel]) -> _Kind:
    if not channels or not sheet.samples:
        raise UnsupportedView("DICOM ECG objects hold voltages; this part of the recording has none.")
    whole = all(channel.is_standard_lead for channel in channels)
    for kind in _KINDS if whole else _KINDS[1:]:
        low, high = kind.rates_hz
        if len(channels) <= kind.channels and sheet.samples <= kind.samples and low <= sheet.sample_rate_hz <= high:
            return kind
    raise UnsupportedView(
        "DICOM ECG objects hold up to 24 channels of 200 to 1000 Hz (12 below 200 Hz, none below 50 Hz); resample "
        "with --rate."
    )


def _identified(sheet: Sheet, kind: _Kind) -> Dataset:
    """Everything but the waveform."""
    from pydicom.dataset import Dataset

    recording = sheet.recording
    start = recording.acquired_at or datetime(1900, 1, 1)
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = kind.sop_class
    dataset.StudyInstanceUID = _uid(b"", recording.provenance.source_sha256, "study")
    dataset.SeriesInstanceUID = _uid(b"", sheet.name, "series")
    dataset.Modality = "ECG"
    dataset.SeriesNumber = dataset.InstanceNumber = 1
    _say_times(dataset, start, known=recording.acquired_at is not None)
    dataset.PatientID = recording.patient_key[:64]
    dataset.PatientName = f"{recording.patient_key[:63]}^" if recording.patient_key else ""
    dataset.PatientBirthDate = ""
    dataset.PatientSex = {Sex.FEMALE: "F", Sex.MALE: "M", None: ""}[recording.sex]
    if recording.age_years is not None:
        dataset.PatientAge = _age(recording.age_years)
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = "Pseudonymous recording of Precordia"
    dataset.ReferringPhysicianName = dataset.StudyID = dataset.AccessionNumber = ""
    dataset.Manufacturer = recording.device.manufacturer[:64] or "unknown"
    dataset.ManufacturerModelName = recording.device.model[:64] or "unknown"
    dataset.DeviceSerialNumber = dataset.SoftwareVersions = "unknown"
    dataset.AcquisitionContextSequence = []
    return dataset


def _say_times(dataset: Dataset, start: datetime, *, known: bool) -> None:
    """Type 1 times get 1900-01-01 where the source has none, as dates of other sorts stay empty."""
    stamp = f"{start:%Y%m%d%H%M%S}" + (f".{start:%f}" if start.microsecond else "")
    dataset.AcquisitionDateTime = stamp
    dataset.ContentDate, dataset.ContentTime = stamp[:8], stamp[8:]
    dataset.StudyDate, dataset.StudyTime = (stamp[:8], stamp[8:]) if known else ("", "")
    offset = start.utcoffset()
    if offset is not None:
        minutes = int(offset / timedelta(minutes=1))
        dataset.TimezoneOffsetFromUTC = f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}{abs(minutes) % 60:02d}"


def _age(years: float) -> str:
    return f"{int(years):03d}Y" if years >= 2 else f"{int(years * 12):03d}M"


def _group(sheet: Sheet, channels: Sequence[Channel], counts: Sequence[Counts]) -> Dataset:
    from pydicom.dataset import Dataset

    group = Dataset()
    group.MultiplexGroupLabel = "RHYTHM"
    group.WaveformOriginality = "DERIVED" if sheet.applied else "ORIGINAL"
    group.NumberOfWaveformChannels = len(channels)
    group.NumberOfWaveformSamples = sheet.samples
    group.SamplingFrequency = _decimal(sheet.sample_rate_hz)
    group.WaveformBitsAllocated = 16
    group.WaveformSampleInterpretation = "SS"
    group.WaveformPaddingValue = np.int16(MISSING[16]).tobytes()
    group.WaveformData = np.stack([one.samples for one in counts], axis=1).astype("<i2").tobytes()
    group.ChannelDefinitionSequence = [
        _definition(sheet, channel, one) for channel, one in zip(channels, counts, strict=True)
    ]
    return group


def _definition(sheet: Sheet, channel: Channel, counts: Counts) -> Dataset:
    from pydicom.dataset import Dataset

    microvolts = 1000.0 * MILLIVOLTS_PER[Unit(channel.unit)]
    definition = Dataset()
    definition.ChannelLabel = channel.label[:16]
    definition.ChannelSourceSequence = [_lead_code(channel)]
    definition.ChannelSensitivity = _decimal(microvolts / counts.gain)
    definition.ChannelSensitivityUnitsSequence = [_code("uV", "UCUM", "microvolt")]
    definition.ChannelSensitivityCorrectionFactor = "1"
    definition.ChannelBaseline = _decimal(-counts.baseline * microvolts / counts.gain)
    definition.ChannelSampleSkew = "0"
    definition.WaveformBitsStored = 16
    low, high = passed_band(sheet.applied)
    if low is not None:
        definition.FilterLowFrequency = _decimal(low)
    if high is not None:
        definition.FilterHighFrequency = _decimal(high)
    return definition


def _lead_code(channel: Channel) -> Dataset:
    number = _CODES.get(channel.label if channel.label in STANDARD_LEADS else channel.label.upper())
    if number is None:
        return _code("2:0", "MDC", "Unspecified lead")
    return _code(f"2:{number}", "MDC", f"Lead {channel.label}")


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    from pydicom.dataset import Dataset

    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, meaning
    return code


def _decimal(value: float) -> str:
    """A decimal string of 16 characters at most, as close to the number as they come."""
    from pydicom.valuerep import format_number_as_ds

    text = f"{value:.15g}"
    return text if len(text) <= 16 else format_number_as_ds(value)


def _uid(content: bytes, *names: str) -> str:
    """A UID that depends on what it names alone, so that the same export is the same instance."""
    digest = hashlib.sha256("\n".join(names).encode() + b"\n" + content).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"


def _meta(dataset: Dataset) -> FileMetaDataset:
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import UID, ExplicitVRLittleEndian

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(_uid(b"", "precordia", "implementation"))
    meta.ImplementationVersionName = "PRECORDIA"
    return meta
