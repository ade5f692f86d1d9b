"""Files in the formats that are read here, written by other means than the readers' own."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, TwelveLeadECGWaveformStorage

from precordia.leads import STANDARD_LEADS
from precordia.source import Source

LEAD_CODES = dict(zip(STANDARD_LEADS, ("1", "2", "61", "62", "63", "64", "3", "4", "5", "6", "7", "8"), strict=True))


def ecg_counts(samples: int = 400, leads: int = 12, seed: int = 0) -> NDArray[np.int16]:
    """(samples, leads) counts in which limb leads obey Einthoven and Goldberger, where there are 12."""
    random = np.random.default_rng(seed)
    values = random.integers(-400, 400, (samples, leads)).astype(np.int16)
    if leads == 12:
        values[:, :2] *= 2
        one, two = values[:, 0].astype(int), values[:, 1].astype(int)
        values[:, 2], values[:, 3] = two - one, -(one + two) // 2
        values[:, 4], values[:, 5] = one - two // 2, two - one // 2
    return values


def channel_definition(lead: str, **changes: Any) -> Dataset:
    """One channel of a DICOM waveform: 2.5 uV a count, coded after SCPECG. None takes an element away."""
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator = f"5.6.3-9-{LEAD_CODES.get(lead, '87')}", "SCPECG"
    code.CodeMeaning = f"Lead {lead}"
    unit = Dataset()
    unit.CodeValue, unit.CodingSchemeDesignator, unit.CodeMeaning = "uV", "UCUM", "microvolt"
    item = Dataset()
    facts = {
        "ChannelSourceSequence": [code],
        "ChannelSensitivity": "2.5",
        "ChannelSensitivityUnitsSequence": [unit],
        "ChannelSensitivityCorrectionFactor": "1",
        "ChannelBaseline": "0",
        "ChannelSampleSkew": "0",
        "WaveformBitsStored": 16,
        **changes,
    }
    for keyword, value in facts.items():
        if value is not None:
            setattr(item, keyword, value)
    return item


def waveform_group(
    values: NDArray[Any],
    leads: Sequence[str] = STANDARD_LEADS,
    *,
    interpretation: str = "SS",
    definitions: Sequence[Dataset] | None = None,
    label: str = "RHYTHM",
    originality: str = "ORIGINAL",
    rate: str = "500",
    **changes: Any,
) -> Dataset:
    """One multiplex group of (samples, channels)."""
    group = Dataset()
    group.WaveformOriginality, group.MultiplexGroupLabel = originality, label
    group.MultiplexGroupTimeOffset = "0"
    group.NumberOfWaveformSamples, group.NumberOfWaveformChannels = values.shape
    group.SamplingFrequency = rate
    group.ChannelDefinitionSequence = list(definitions or [channel_definition(lead) for lead in leads])
    group.WaveformBitsAllocated = 8 * values.dtype.itemsize
    group.WaveformSampleInterpretation = interpretation
    group.WaveformData = values.tobytes()
    for keyword, value in changes.items():
        setattr(group, keyword, value)
    return group


def dicom_file(groups: Sequence[Dataset], *, preamble: bool = True, big_endian: bool = False, **facts: Any) -> Source:
    """A DICOM 12-lead ECG of these groups."""
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = TwelveLeadECGWaveformStorage, "1.2.3.4"
    dataset.PatientID, dataset.PatientName, dataset.PatientSex, dataset.PatientAge = "4711", "Doe^Jane", "F", "061Y"
    dataset.AcquisitionDateTime = "20240229121530+0100"
    for keyword, value in facts.items():
        setattr(dataset, keyword, value)
    dataset.WaveformSequence = list(groups)
    syntax = ExplicitVRBigEndian if big_endian else ExplicitVRLittleEndian
    stream = io.BytesIO()
    if preamble:
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.save_as(stream, enforce_file_format=True)
    else:
        dataset.save_as(stream, implicit_vr=False, little_endian=True)
    return Source("ecg.dcm", stream.getvalue())


def wfdb_record(
    values: NDArray[Any],
    leads: Sequence[str] = STANDARD_LEADS,
    *,
    gain: str = "200/mV",
    rate: str = "500",
    tail: str = "",
) -> Source:
    """A WFDB record in format 16 of (samples, channels)."""
    lines = [f"made {len(leads)} {rate} {len(values)}"]
    for column, lead in zip(values.T, leads, strict=True):
        lines.append(f"made.dat 16 {gain} 16 0 {column[0]} {int(column.astype(int).sum()) & 0xFFFF} 0 {lead}")
    return Source("made.hea", ("\n".join(lines) + "\n" + tail).encode(), {"made.dat": values.astype("<i2").tobytes()})


def text_table(
    values: NDArray[Any], *, titles: Sequence[str] = (), delimiter: str = ",", number: str = "%.3f", mark: str = "."
) -> bytes:
    """(rows, columns) as text."""
    lines = [delimiter.join(titles)] if titles else []
    lines += [delimiter.join((number % value).replace(".", mark) for value in row) for row in values.tolist()]
    return ("\n".join(lines) + "\n").encode()


def npz_file(**arrays: Any) -> Source:
    """An NPZ archive."""
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return Source("made.npz", stream.getvalue())


def npy_file(array: NDArray[Any], *, pickled: bool = False) -> Source:
    """An NPY file."""
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=pickled)
    return Source("made.npy", stream.getvalue())


def mat_file(variables: Mapping[str, Any], *, version: str = "5", compressed: bool = True) -> Source:
    """A MATLAB file, written by scipy."""
    import scipy.io

    stream = io.BytesIO()
    scipy.io.savemat(stream, dict(variables), format=version, do_compression=compressed and version == "5")
    return Source("made.mat", stream.getvalue())


def mat_bomb(unpacked: int) -> Source:
    """A MATLAB file whose one compressed element unpacks to so many zeros."""
    body = zlib.compress(bytes(unpacked), 9)
    header = b"MATLAB 5.0 MAT-file".ljust(116) + bytes(8) + struct.pack("<H", 0x0100) + b"IM"
    return Source("bomb.mat", header + struct.pack("<II", 15, len(body)) + body)
