"""Broken and hostile bytes: typed errors, in bounded time, and nothing else."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from precordia.errors import InvalidInput
from precordia.leads import STANDARD_LEADS
from precordia.record import Hints, Unit
from precordia.source import Source
from services.ingest.formats import Limits, ReaderContext, preview_source, read_source
from tests.services.ingest.formats.test_reference_readers import wfdb_source
from tests.services.ingest.formats.written_files import (
    dicom_file,
    ecg_counts,
    mat_file,
    npy_file,
    npz_file,
    text_table,
    waveform_group,
    wfdb_record,
)

VALUES = ecg_counts(100)
HINTS = Hints(sample_rate_hz=500, unit=Unit.MILLIVOLT, lead_names=STANDARD_LEADS)
CONTEXT = ReaderContext(Limits(max_bytes=1 << 24, max_unpacked_bytes=1 << 24, max_samples=1 << 22), b"secret")
SLOWEST_S = 20.0
"""Of this process's own time: that others have the machine is no fault of a reader."""

MADE = {
    "dicom": dicom_file([waveform_group(VALUES)]),
    "dicom-bare": dicom_file([waveform_group(VALUES)], preamble=False),
    "wfdb": wfdb_record(VALUES),
    "csv": Source("a.csv", text_table(VALUES, titles=STANDARD_LEADS)),
    "npy": npy_file(VALUES),
    "npz": npz_file(x=VALUES, fs=500, leads=np.array(STANDARD_LEADS)),
    "mat5": mat_file({"ECG": {"data": VALUES.T, "freq": 500, "desc": list(STANDARD_LEADS)}}),
    "mat5-plain": mat_file({"val": VALUES.T, "fs": 500}, compressed=False),
    "mat4": mat_file({"val": VALUES.T}, version="4"),
}


def survives(source: Source, hints: Hints | None = None) -> None:
    """The source is read, or refused by one of our errors, soon, and neither error nor reading leaks bytes."""
    began = time.process_time()
    for read in (read_source, preview_source):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # pydicom warns of what it then reads
                read(source, hints, CONTEXT)
        except InvalidInput as error:
            assert error.message  # noqa: PT017  # any typed refusal will do
    assert time.process_time() - began < SLOWEST_S


def mutations(content: bytes, count: int, seed: int) -> Iterator[bytes]:
    """The content cut short, with bytes changed, moved, doubled and overwritten by extremes."""
    random = np.random.default_rng(seed)
    extremes = (
        b"\0\0\0\0",
        b"\xff\xff\xff\xff",
        b"\xff\xff\xff\x7f",
        b"\0\0\0\x80",
        b"999999999",
        b"-1",
        b"../",
        b"nan",
    )
    for _ in range(count):
        damaged = bytearray(content)
        for _ in range(int(random.integers(1, 6))):
            kind, near = int(random.integers(0, 5)), bool(random.integers(0, 2))
            at = int(random.integers(0, max(1, min(len(damaged), 600) if near else len(damaged))))
            if kind == 0:
                del damaged[at:]
            elif kind == 1 and damaged:
                damaged[min(at, len(damaged) - 1)] = int(random.integers(0, 256))
            elif kind == 2:
                extreme = extremes[int(random.integers(0, len(extremes)))]
                damaged[at : at + len(extreme)] = extreme
            elif kind == 3:
                damaged[at:at] = damaged[: int(random.integers(0, 64))]
            else:
                del damaged[at : at + int(random.integers(1, 64))]
        yield bytes(damaged)


def mutated(source: Source, count: int, seed: int) -> Iterator[Source]:
    for index, content in enumerate(mutations(source.content, count, seed)):
        companions = dict(source.companions)
        if companions and index % 3 == 0:
            name = sorted(companions)[0]
            companions[name] = next(mutations(companions[name], 1, seed + index))
        yield Source(source.name, content, companions)


@pytest.mark.parametrize("kind", MADE)
def test_mutated_files_are_read_or_refused(kind: str) -> None:
    for index, source in enumerate(mutated(MADE[kind], 80, seed=7)):
        survives(source, HINTS if index % 2 else None)


@pytest.mark.parametrize("kind", MADE)
def test_files_cut_anywhere_are_read_or_refused(kind: str) -> None:
    content = MADE[kind].content
    for end in {*range(0, min(200, len(content)), 7), *range(0, len(content), max(1, len(content) // 20))}:
        survives(Source(MADE[kind].name, content[:end], MADE[kind].companions), HINTS)


@given(st.binary(max_size=600))
@settings(max_examples=150, deadline=None)
def test_random_bytes_are_refused(content: bytes) -> None:
    survives(Source("a", content), HINTS)


@given(st.text(alphabet="0123456789.,;-+eE \t\n\"'#:|naIV", max_size=400))
@settings(max_examples=200, deadline=None)
def test_random_tables_are_read_or_refused(text: str) -> None:
    survives(Source("a.csv", text.encode()), HINTS)


@given(st.sampled_from(sorted(MADE)), st.binary(max_size=200))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_known_beginning_with_random_bytes_after_it_is_refused(kind: str, rest: bytes) -> None:
    survives(Source(MADE[kind].name, MADE[kind].content[:140] + rest, MADE[kind].companions), HINTS)


@given(st.text(alphabet="made 0123456789./()x:+~mVI\n#", max_size=300))
@settings(max_examples=150, deadline=None)
def test_random_headers_are_read_or_refused(text: str) -> None:
    survives(Source("made.hea", ("made 2 500 100\n" + text).encode(), {"made.dat": VALUES.tobytes()}), HINTS)


def test_a_file_under_another_formats_name_is_told_by_its_bytes() -> None:
    for kind, source in MADE.items():
        renamed = Source("ecg.xml", source.content, source.companions)
        expected = {"dicom-bare": "dicom", "mat5": "mat", "mat5-plain": "mat", "mat4": "mat"}.get(kind, kind)
        hints = Hints(unit=Unit.MILLIVOLT) if kind == "mat5" else HINTS
        if not kind.startswith(("dicom", "wfdb")):
            assert read_source(renamed, hints, CONTEXT)[0].provenance.format == expected
        else:
            assert read_source(renamed, None, CONTEXT)[0].provenance.format == expected


def real_sources(testdata: Path) -> list[Source]:
    """One small real file of each kind."""
    names = (
        "formats/dicom/waveform_ecg.dcm",
        "formats/mat/example_recording.mat",
        "cpsc2018-orig/A1980.mat",
        "code15/code_15_358121.mat",
        "cinc2021/PTB_PTBXL/HR00001.mat",
        "formats/npz/demo_ecgs.npz",
        "ptbxl-z/original_500hz/24.npy",
    )
    headers = ("binformats", "flacformats", "mixedsignals", "multi-segment/041s/041s", "310derive_3", "s0010_re")
    sources = [Source(Path(name).name, (testdata / name).read_bytes()) for name in names]
    return sources + [wfdb_source(testdata / f"formats/wfdb/{name}.hea") for name in headers]


def test_mutated_real_files_are_read_or_refused(testdata: Path) -> None:
    for source in real_sources(testdata):
        for mutation in mutated(source, 12, seed=11):
            survives(mutation, HINTS)


@pytest.mark.soak
def test_many_mutated_real_files_are_read_or_refused(testdata: Path) -> None:
    for source in [*real_sources(testdata), *MADE.values()]:
        for mutation in mutated(source, 2000, seed=13):
            survives(mutation, HINTS)
