"""Files that mean harm, as an upload could bring them: by name, each with its hints where it gets far enough."""

from __future__ import annotations

import io
import os
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from precordia.leads import STANDARD_LEADS
from precordia.record import Hints, Unit
from precordia.source import Source
from tests.services.ingest.formats.written_files import (
    dicom_file,
    ecg_counts,
    mat_bomb,
    mat_file,
    npy_file,
    npz_file,
    text_table,
    waveform_group,
    wfdb_record,
)

HINTS = Hints(sample_rate_hz=500, unit=Unit.MILLIVOLT, lead_names=STANDARD_LEADS)
VALUES = ecg_counts(200)
HARMLESS = npy_file(VALUES)
NAME = "Doe^Jane^4711"
"""A name that must come back in no message and stand in no log."""


class _Trap:
    """Writes a file where something unpickles it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> Any:
        return (os.system, (f"touch {self._path}",))


def hostile_sources(trap: Path) -> dict[str, Source]:
    """Sources that no reader may take; `trap` is the file that their code would make."""
    return {**_broken(), **_arrays(trap), **_markup(), **_headers(), **_tables()}


def _broken() -> dict[str, Source]:
    random = np.random.default_rng(7)
    dicom = dicom_file([waveform_group(VALUES)])
    mat, npz = mat_file({"val": VALUES.T, "fs": 500}), npz_file(x=VALUES, fs=500)
    wfdb = wfdb_record(VALUES)
    huge = dicom_file([waveform_group(VALUES, NumberOfWaveformSamples=2**32 - 1)])
    many = dicom_file([waveform_group(VALUES, NumberOfWaveformChannels=2**16 - 1)])
    return {
        "empty": Source("ecg.dcm", b""),
        "random": Source("ecg.dcm", random.bytes(100_000)),
        "zeros": Source("ecg.dcm", bytes(1 << 20)),
        "elf": Source("ecg.npy", Path("/proc/self/exe").read_bytes()[: 1 << 20]),
        "dicom-cut": Source("ecg.dcm", dicom.content[: len(dicom.content) // 2]),
        "dicom-head-alone": Source("ecg.dcm", dicom.content[:140]),
        "dicom-huge-samples": Source("ecg.dcm", huge.content),
        "dicom-huge-channels": Source("ecg.dcm", many.content),
        "dicom-nested": Source("ecg.dcm", bytes(128) + b"DICM" + b"\x00\x54\x00\x01SQ\0\0\xff\xff\xff\xff" * 20_000),
        "mat-cut": Source("ecg.mat", mat.content[:-40]),
        "npz-cut": Source("ecg.npz", npz.content[: len(npz.content) // 2]),
        "wfdb-cut": Source(wfdb.name, wfdb.content, {"made.dat": wfdb.companions["made.dat"][:50]}),
    }


def _arrays(trap: Path) -> dict[str, Source]:
    pickled = np.array([_Trap(trap)] * 3, dtype=object)
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("x.npy", npy_file(np.zeros((1 << 24, 12), np.int8)).content)
    escape = io.BytesIO()
    with zipfile.ZipFile(escape, "w") as archive:
        archive.writestr("../../../../" + str(trap), b"out")
    many = io.BytesIO()
    with zipfile.ZipFile(many, "w") as archive:
        for number in range(20_000):
            archive.writestr(f"{number}.npy", b"")
    lying = io.BytesIO()
    with zipfile.ZipFile(lying, "w") as archive:
        archive.writestr("x.npy", _npy_declaring("(12, 1000000000)"))
    return {
        "npy-pickled": npy_file(pickled, pickled=True),
        "npz-pickled": npz_file(x=pickled),
        "npy-code-in-header": Source("ecg.npy", _npy_declaring(f"__import__('os').system('touch {trap}')")),
        "npy-nested-header": Source("ecg.npy", _npy_declaring("(" * 20_000)),
        "npy-huge": Source("ecg.npy", _npy_declaring("(12, 1000000000)")),
        "npy-overflow": Source("ecg.npy", _npy_declaring("(4611686018427387904, 8)")),
        "npy-negative": Source("ecg.npy", _npy_declaring("(-12, 100)")),
        "npz-bomb": Source("ecg.npz", bomb.getvalue()),
        "npz-huge": Source("ecg.npz", lying.getvalue()),
        "npz-path": Source("ecg.npz", escape.getvalue()),
        "npz-many": Source("ecg.npz", many.getvalue()),
        "mat-bomb": mat_bomb(1 << 28),
        "mat4-huge": Source("ecg.mat", struct.pack("<5i", 0, 2**31 - 1, 2**31 - 1, 0, 4) + b"val\0" + bytes(64)),
        "mat5-huge": Source("ecg.mat", _mat_declaring(2**31 - 1)),
    }


def _npy_declaring(shape: str) -> bytes:
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x02\x00" + struct.pack("<I", len(header)) + header + bytes(64)


def _mat_declaring(rows: int) -> bytes:
    """A MATLAB 5 file of one matrix with far more rows than it has numbers."""
    dimensions = struct.pack("<II2i", 5, 8, rows, 12)
    flags, name = struct.pack("<IIII", 6, 8, 6, 0), struct.pack("<II8s", 1, 3, b"val")
    body = flags + dimensions + name + struct.pack("<II", 9, 64) + bytes(64)
    header = b"MATLAB 5.0 MAT-file".ljust(116) + bytes(8) + struct.pack("<H", 0x0100) + b"IM"
    return header + struct.pack("<II", 14, len(body)) + body


def _markup() -> dict[str, Source]:
    entities = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10 if i else "lol"}">' for i in range(12))
    laughs = f'<?xml version="1.0"?><!DOCTYPE a [{entities}]><a>&e11;</a>'.encode()
    outside = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'
    return {
        **{f"laughs.{ending}": Source(f"ecg.{ending}", laughs) for ending in ("xml", "csv", "hea", "dcm", "mat")},
        "outside-entity": Source("ecg.xml", outside),
    }


def _headers() -> dict[str, Source]:
    """WFDB headers that name what they should not."""

    def header(line: str, signal: str, **companions: bytes) -> Source:
        signals = "\n".join(f"{signal} 200/mV 16 0 0 0 0 {lead}" for lead in STANDARD_LEADS)
        return Source("made.hea", f"{line}\n{signals}\n".encode(), companions)

    usual = "made 12 500 100"
    chain = Source("made.hea", b"made/2 12 500 200\nmade 100\nmade 100\n", {"made2.hea": b"made2/1 12 500 1\nmade 1\n"})
    return {
        "wfdb-parent": header(usual, "../../../../../../etc/passwd 16"),
        "wfdb-absolute": header(usual, "/etc/passwd 16"),
        "wfdb-backslash": header(usual, "..\\..\\etc\\passwd 16"),
        "wfdb-stdin": header(usual, "- 16"),
        "wfdb-nul": header(usual, "ma\0de.dat 16"),
        "wfdb-many-signals": header("made 1000000000 500 100", "made.dat 16"),
        "wfdb-many-samples": header("made 12 500 1000000000000000000", "made.dat 16", **{"made.dat": bytes(240)}),
        "wfdb-rate": header("made 12 1e400 100", "made.dat 16", **{"made.dat": bytes(2400)}),
        "wfdb-format": header(usual, "made.dat 99999", **{"made.dat": bytes(2400)}),
        "wfdb-flac": header(usual, "made.dat 516", **{"made.dat": b"fLaC" + bytes(2400)}),
        "wfdb-itself": chain,
        "wfdb-segments": Source("made.hea", b"made/1000000000 12 500 100\n"),
    }


def _tables() -> dict[str, Source]:
    wide = ",".join(["1"] * 1_000_000)
    return {
        "csv-wide": Source("ecg.csv", f"{wide}\n{wide}\n".encode()),
        "csv-long-line": Source("ecg.csv", b"1" * (8 << 20)),
        "csv-quotes": Source("ecg.csv", b'"' * (2 << 20) + b"1,2\n3,4\n"),
        "csv-formula": Source("ecg.csv", b"=cmd|' /C calc'!A0,@SUM(1)\n" * 500),
        "csv-nul": Source("ecg.csv", text_table(VALUES).replace(b",", b"\0")),
        "csv-numbers": Source("ecg.csv", b"1e999,nan,-inf\n" * 1000),
        "csv-name": Source(f"{NAME}.csv", f"{NAME},{NAME}\n{NAME},{NAME}\n".encode()),
    }
