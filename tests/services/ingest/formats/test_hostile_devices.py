"""Broken and hostile device files: typed errors, in bounded time, and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from precordia.record import Hints
from precordia.source import Source
from services.ingest.formats import sniff
from tests.services.ingest.formats.test_hdf5 import hdf5_file, matlab, matlab_file, struct, text
from tests.services.ingest.formats.test_hostile import HINTS, mutated, survives
from tests.services.ingest.formats.test_scp import VALUES
from tests.services.ingest.formats.written_devices import contec_file, edf_file, ishne_file, mfer_file, scp_file

NOTES = [f"+{start}\x14\x14\0+{start}\x14note\x14\0".encode() for start in (0, 1, 3, 4, 9)]
ROWS = [("ECG II", "mV", (-5.0, 5.0), (-2000, 2000), VALUES[:, 1].reshape(5, 60))]
MADE = {
    "scp": scp_file(VALUES),
    "edf": edf_file(ROWS, reserved="EDF+D", notes=NOTES),
    "bdf": edf_file(ROWS, reserved="BDF+C", notes=NOTES, bdf=True),
    "ishne": ishne_file(VALUES),
    "mfer": mfer_file([(2, VALUES[:, 1], 100, b"\0\xfa\2\0"), (1, VALUES[:, 0], 50, b"\0\xfa\2\0")]),
    "contec": contec_file(np.full((60, 8), 2100)),
    "hdf5": hdf5_file(ecg=VALUES.T.astype(np.float16)),
    "mat73": matlab_file(ECG=struct(data=matlab(VALUES.astype(float)), unit=text("mV"))),
}
REAL = (
    "formats/scp/Example.scp",
    "formats/edf/0000050.ECG.edf",
    "formats/ishne/ECG_P28.01.ecg",
    "formats/mfer/test-file.MWF",
    "formats/contec/0000050.ECG",
    "sph/SPH00001.h5",
    "code15/code_15_358121.mat",
    "cpsc2018-orig/A1980.mat",
)


@pytest.mark.parametrize("kind", MADE)
def test_each_made_file_is_told_by_its_bytes(kind: str) -> None:
    reader = sniff(Source("ecg.xml", MADE[kind].content))
    assert reader is not None
    assert reader.name == {"bdf": "edf", "mat73": "mat"}.get(kind, kind)


@pytest.mark.parametrize("kind", MADE)
def test_mutated_device_files_are_read_or_refused(kind: str) -> None:
    for index, source in enumerate(mutated(MADE[kind], 80, seed=17)):
        survives(source, HINTS if index % 2 else None)


@pytest.mark.parametrize("kind", MADE)
def test_device_files_cut_anywhere_are_read_or_refused(kind: str) -> None:
    content = MADE[kind].content
    for end in {*range(0, min(600, len(content)), 23), *range(0, len(content), max(1, len(content) // 20))}:
        survives(Source(MADE[kind].name, content[:end]), HINTS)


def real_sources(testdata: Path) -> list[Source]:
    return [Source(Path(name).name, (testdata / name).read_bytes()) for name in REAL]


def test_mutated_real_device_files_are_read_or_refused(testdata: Path) -> None:
    for source in real_sources(testdata):
        for index, mutation in enumerate(mutated(source, 12, seed=19)):
            survives(mutation, HINTS if index % 2 else Hints())


@pytest.mark.soak
def test_many_mutated_real_device_files_are_read_or_refused(testdata: Path) -> None:
    for source in [*real_sources(testdata), *MADE.values()]:
        for index, mutation in enumerate(mutated(source, 300, seed=23)):
            survives(mutation, HINTS if index % 2 else Hints())
