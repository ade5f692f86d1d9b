"""HDF5 and MATLAB 7.3: arrays and structs by name, and nothing outside of the file."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from precordia.errors import MissingField, TooLarge, UnreadableFile, UnsafeContent
from precordia.leads import STANDARD_LEADS
from precordia.record import Hints, Sex, Unit
from precordia.source import Source
from services.ingest.formats import Limits, ReaderContext, preview_source, read_source
from tests.services.ingest.formats.written_files import ecg_counts

VALUES = ecg_counts(400)
ALL = Hints(sample_rate_hz=500, unit=Unit.MILLIVOLT, lead_names=STANDARD_LEADS)


def hdf5_file(userblock: bytes = b"", **arrays: Any) -> Source:
    stream = io.BytesIO()
    with h5py.File(stream, "w", userblock_size=512 if userblock else 0) as file:
        for name, value in arrays.items():
            if callable(value):
                value(file, name)
            else:
                file.create_dataset(name, data=value, compression="gzip" if np.size(value) > 100 else None)
    content = bytearray(stream.getvalue())
    content[: len(userblock)] = userblock
    return Source("a.h5", bytes(content))


def matlab_file(**arrays: Any) -> Source:
    head = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM"
    return Source("a.mat", hdf5_file(head, **arrays).content)


def matlab(value: Any, kind: str = "double") -> Any:
    def write(group: h5py.Group, name: str) -> None:
        node = group.create_dataset(name, data=np.asarray(value))
        node.attrs["MATLAB_class"] = np.bytes_(kind)

    return write


def text(value: str) -> Any:
    return matlab(np.frombuffer(value.encode("utf-16-le"), "<u2").reshape(-1, 1), "char")


def struct(**fields: Any) -> Any:
    def write(group: h5py.Group, name: str) -> None:
        node = group.create_group(name)
        node.attrs["MATLAB_class"] = np.bytes_("struct")
        for field, value in fields.items():
            value(node, field)

    return write


def cell(*values: Any) -> Any:
    def write(group: h5py.Group, name: str) -> None:
        hidden = group.file.require_group("#refs#")
        references = []
        for value in values:
            place = f"r{len(hidden)}"
            value(hidden, place)
            references.append(hidden[place].ref)
        node = group.create_dataset(name, data=np.array([references], dtype=h5py.ref_dtype).T, dtype=h5py.ref_dtype)
        node.attrs["MATLAB_class"] = np.bytes_("cell")

    return write


def test_half_floats_are_kept_as_they_are() -> None:
    halves = (VALUES.T / 1000).astype(np.float16)
    (recording,) = read_source(hdf5_file(ecg=halves), ALL)
    assert recording.provenance.format == "hdf5"
    assert recording.channels[0].samples.dtype == np.float32
    for place, channel in enumerate(recording.channels):
        np.testing.assert_array_equal(channel.physical(), halves[place].astype(np.float64))


def test_what_the_file_does_not_say_is_asked_for_at_once() -> None:
    with pytest.raises(MissingField) as caught:
        read_source(hdf5_file(ecg=VALUES.T.astype(np.float16)))
    assert set(caught.value.details["fields"].split(",")) == {"sample_rate_hz", "unit", "lead_names"}


def test_many_recordings_keep_their_own_names() -> None:
    tracings = np.stack([VALUES, VALUES[::-1], -VALUES]).astype(np.float32)
    source = hdf5_file(tracings=tracings, exam_id=np.array([30, 20, 10]))
    recordings = read_source(source, ALL)
    assert [recording.provenance.source_record for recording in recordings] == ["30", "20", "10"]
    np.testing.assert_array_equal(recordings[2].channels[6].samples, -VALUES[:, 6].astype(np.float32))
    assert preview_source(source, ALL).orientation == "samples_by_leads"


def test_facts_beside_the_signal_are_taken() -> None:
    leads = np.array([lead.encode() for lead in STANDARD_LEADS])
    units = h5py.string_dtype()
    (recording,) = read_source(
        hdf5_file(signal=VALUES, fs=250.0, leads=leads, unit=np.array(["uV"], dtype=units), age=61, sex=b"F")
    )
    assert (recording.channels[0].sample_rate_hz, recording.channels[0].unit) == (250.0, "uV")
    assert (recording.leads, recording.age_years) == (STANDARD_LEADS, 61.0)


def test_a_matlab_struct_of_version_7_3_reads_as_one_of_version_5() -> None:
    names = cell(*(text(lead) for lead in STANDARD_LEADS))
    signal = matlab(VALUES.astype(float))  # MATLAB stores the axes of a 12 x 400 matrix the other way round
    source = matlab_file(
        ECG=struct(
            data=signal, fs=matlab([[500.0]]), leads=names, unit=text("mV"), age=matlab([[61.0]]), sex=text("Female")
        )
    )
    (recording,) = read_source(source)
    assert recording.provenance.format == "mat"
    assert (recording.leads, recording.channels[0].sample_rate_hz) == (STANDARD_LEADS, 500.0)
    assert (recording.age_years, recording.sex) == (61.0, Sex.FEMALE)
    for place, channel in enumerate(recording.channels):
        np.testing.assert_array_equal(channel.physical(), VALUES[:, place])
    assert preview_source(source).orientation == "leads_by_samples"


def test_a_matlab_matrix_of_integers_stays_integers() -> None:
    (recording,) = read_source(matlab_file(val=matlab(VALUES, "int16")), Hints(500.0, None, 1000.0, STANDARD_LEADS))
    assert (recording.channels[4].samples.dtype, recording.channels[4].gain) == (np.int16, 1000.0)
    np.testing.assert_array_equal(recording.channels[4].samples, VALUES[:, 4])


def test_links_and_data_outside_of_the_file_are_never_opened(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"x" * 9600)
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["ecg"] = VALUES

    def external_link(group: h5py.Group, name: str) -> None:
        group[name] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/ecg")

    def external_data(group: h5py.Group, name: str) -> None:
        group.create_dataset(name, (400, 12), "i2", external=[(str(secret), 0, 9600)])

    def virtual(group: h5py.Group, name: str) -> None:
        layout = h5py.VirtualLayout((400, 12), "i2")
        layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "ecg", (400, 12))
        group.create_virtual_dataset(name, layout)

    for kind in (external_link, external_data, virtual):
        with pytest.raises(UnsafeContent):
            read_source(hdf5_file(ecg=kind), ALL)


def test_what_unpacks_beyond_the_limits_is_refused_before_it_does() -> None:
    def bomb(group: h5py.Group, name: str) -> None:
        group.create_dataset(name, (1 << 22, 12), "f4", chunks=(1 << 14, 12), compression="gzip")

    def one_chunk(group: h5py.Group, name: str) -> None:
        group.create_dataset(name, (40, 12), "f4", chunks=(1 << 22, 12), maxshape=(None, 12), compression="gzip")

    for kind in (bomb, one_chunk):
        with pytest.raises(TooLarge):
            read_source(hdf5_file(ecg=kind), ALL)
    with pytest.raises(TooLarge):
        read_source(hdf5_file(ecg=VALUES), ALL, ReaderContext(Limits(max_samples=100)))


def test_a_group_within_itself_ends() -> None:
    def loop(group: h5py.Group, name: str) -> None:
        inner = group.create_group(name)
        inner["again"] = inner

    with pytest.raises((UnreadableFile, TooLarge)):
        read_source(hdf5_file(ecg=loop), ALL)


def test_an_empty_or_broken_file_is_refused() -> None:
    for source in (hdf5_file(), Source("a", hdf5_file(ecg=VALUES).content[:900]), Source("a", b"\x89HDF\r\n\x1a\n")):
        with pytest.raises(UnreadableFile):
            read_source(source, ALL)


def test_every_real_file_reads_in_millivolts(testdata: Path) -> None:
    paths = sorted((testdata / "sph").glob("*.h5"))
    for path in paths:
        (recording,) = read_source(Source(path.name, path.read_bytes()), ALL)
        with h5py.File(path) as file:
            stored = file["ecg"][()]
        assert stored.dtype == np.float16
        assert recording.leads == STANDARD_LEADS
        for place, channel in enumerate(recording.channels):
            np.testing.assert_array_equal(channel.physical(), stored[place].astype(np.float64))
    assert len(paths) == 5
