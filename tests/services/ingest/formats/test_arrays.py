"""NPY, NPZ and MATLAB files."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from precordia.errors import InvalidArgument, MissingField, TooLarge, UnreadableFile, UnsafeContent
from precordia.leads import STANDARD_LEADS
from precordia.record import Hints, Sex, Unit
from precordia.source import Source
from precordia.steps import Step
from services.ingest.formats import Limits, ReaderContext, read_source
from tests.services.ingest.formats.written_files import ecg_counts, mat_bomb, mat_file, npy_file, npz_file

COUNTS = ecg_counts(500)
VALUES = COUNTS / 1000
ALL = Hints(sample_rate_hz=500, unit=Unit.MILLIVOLT, lead_names=STANDARD_LEADS)
Z_SCORED = (Step("band_pass", 1, {"low_hz": 0.5, "high_hz": 40.0}), Step("z_score"))


@pytest.mark.parametrize("dtype", ["<f8", ">f8", "<f4", "<f2", "<i2", ">i2", "<i4", "<i8", "i1"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("turned", [False, True])
def test_an_npy_array_reads_in_every_type_order_and_orientation(dtype: str, order: Any, turned: bool) -> None:
    values = (COUNTS % 100).astype(dtype)
    array = np.array(values.T if turned else values, order=order)
    (recording,) = read_source(npy_file(array), ALL)
    for index, channel in enumerate(recording.channels):
        np.testing.assert_array_equal(channel.physical(), values[:, index].astype(float))
        assert channel.samples.dtype.name in ("int16", "int32", "float32", "float64")


def test_a_pickled_array_is_refused_and_never_loaded(tmp_path: Any) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (tmp_path.joinpath("sprung").write_text, ("x",))

    array = np.array([Trap()], object)
    for source in (npy_file(array, pickled=True), npz_file(x=array)):
        with pytest.raises(UnsafeContent, match="pickle"):
            read_source(source, ALL)
    assert not tmp_path.joinpath("sprung").exists()


def test_many_records_in_one_npz_become_recordings_with_their_ids() -> None:
    x = np.stack([ecg_counts(100, seed=seed) for seed in range(5)])
    source = npz_file(x=x, ecg_id=np.array([24, 55, 85, 103, 149]), scale=np.float64(0.001), fs=np.int64(100))
    hints = Hints(unit=Unit.STANDARDISED, applied=Z_SCORED, lead_names=STANDARD_LEADS)
    recordings = read_source(source, hints)
    assert [recording.provenance.source_record for recording in recordings] == ["24", "55", "85", "103", "149"]
    assert [recording.provenance.source_index for recording in recordings] == [0, 1, 2, 3, 4]
    for index, recording in enumerate(recordings):
        channel = recording.channels[4]
        assert (channel.unit, channel.sample_rate_hz, channel.samples.dtype) == ("standardised", 100.0, np.int16)
        np.testing.assert_allclose(channel.physical(), x[index, :, 4] * 0.001, rtol=1e-15)
        assert recording.applied == Z_SCORED


def test_facts_beside_the_signal_are_honoured() -> None:
    source = npz_file(x=VALUES.T, fs=500.0, leads=np.array(STANDARD_LEADS), unit="mV", age=61, sex="F")
    (recording,) = read_source(source)
    assert (recording.leads, recording.age_years, recording.sex) == (STANDARD_LEADS, 61.0, Sex.FEMALE)
    np.testing.assert_array_equal(recording.channels[8].physical(), VALUES[:, 8])


def test_several_arrays_of_one_shape_are_recordings_named_after_them() -> None:
    recordings = read_source(npz_file(rest=VALUES, stress=VALUES * 2), ALL)
    assert [recording.provenance.source_record for recording in recordings] == ["rest", "stress"]
    (one,) = read_source(npz_file(rest=VALUES, stress=VALUES * 2), Hints(**{**vars(ALL), "variable": "stress"}))
    np.testing.assert_array_equal(one.channels[0].physical(), VALUES[:, 0] * 2)


def test_arrays_of_different_shape_ask_which_is_the_signal() -> None:
    source = npz_file(signal=VALUES, other=VALUES[:, :3])
    with pytest.raises(MissingField, match="signal, other") as caught:
        read_source(source, ALL)
    assert caught.value.field == "variable"
    with pytest.raises(InvalidArgument, match="no array"):
        read_source(source, Hints(**{**vars(ALL), "variable": "nothing"}))


def test_a_square_block_does_not_show_which_axis_is_time() -> None:
    with pytest.raises(UnreadableFile, match="which axis"):
        read_source(npy_file(VALUES[:12]), ALL)


def test_integer_sentinels_and_nan_are_missing() -> None:
    counts = COUNTS.copy()
    counts[3, 1] = -32768
    channel = read_source(npy_file(counts), Hints(sample_rate_hz=500, gain_adu_per_mv=200, lead_names=STANDARD_LEADS))[
        0
    ].channels[1]
    assert np.flatnonzero(np.isnan(channel.physical())).tolist() == [3]
    floats = VALUES.copy()
    floats[7, 2] = np.inf
    channel = read_source(npy_file(floats), ALL)[0].channels[2]
    assert np.flatnonzero(np.isnan(channel.physical())).tolist() == [7]


def test_standardised_without_steps_is_taken_and_said() -> None:
    (recording,) = read_source(
        npy_file(VALUES), Hints(sample_rate_hz=500, unit=Unit.STANDARDISED, lead_names=STANDARD_LEADS)
    )
    assert "steps_unknown" in [remark.code for remark in recording.remarks]


def test_steps_that_leave_no_unit_contradict_a_unit() -> None:
    with pytest.raises(InvalidArgument):
        read_source(npy_file(VALUES), Hints(**{**vars(ALL), "applied": Z_SCORED}))


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("version", ["4", "5"])
def test_a_mat_file_reads_as_scipy_wrote_it(version: str, compressed: bool) -> None:
    source = mat_file({"val": COUNTS.T}, version=version, compressed=compressed)
    hints = Hints(sample_rate_hz=500, gain_adu_per_mv=1000, lead_names=STANDARD_LEADS)
    (recording,) = read_source(source, hints)
    for index, channel in enumerate(recording.channels):
        np.testing.assert_array_equal(channel.samples, COUNTS[:, index])
        assert channel.gain == 1000


def test_a_mat_struct_gives_signal_rate_names_units_age_and_sex() -> None:
    ecg = {"data": VALUES, "freq": 500, "desc": list(STANDARD_LEADS), "units": ["mV"] * 12, "age": 47, "sex": "Male"}
    (recording,) = read_source(mat_file({"ECG": ecg}))
    assert (recording.leads, recording.age_years, recording.sex) == (STANDARD_LEADS, 47.0, Sex.MALE)
    assert recording.channels[0].sample_rate_hz == 500.0
    np.testing.assert_array_equal(recording.channels[5].physical(), VALUES[:, 5])


def test_a_version_7_3_header_without_its_arrays_is_refused() -> None:
    with pytest.raises(UnreadableFile):
        read_source(Source("a.mat", b"MATLAB 7.3 MAT-file".ljust(512) + b"\x89HDF\r\n\x1a\n"))


@pytest.mark.parametrize(
    "source",
    [npz_file(x=np.zeros((2_000_000, 12), np.int16)), mat_bomb(200_000_000)],
    ids=["npz", "mat"],
)
def test_a_bomb_is_refused_before_it_unpacks(source: Source) -> None:
    with pytest.raises(TooLarge):
        read_source(source, ALL)


def test_a_source_above_the_limit_is_not_looked_at() -> None:
    with pytest.raises(TooLarge, match="at most 1000"):
        read_source(npy_file(VALUES), ALL, ReaderContext(Limits(max_bytes=1000)))


def test_a_header_that_promises_more_than_is_there_is_refused() -> None:
    source = npy_file(VALUES)
    for huge in (b"(999, 12)", b"(500, -1)", b"(5**99,1)"):
        content = source.content.replace(b"(500, 12)", huge, 1)
        assert content != source.content
        with pytest.raises(UnreadableFile):
            read_source(Source("a.npy", content), ALL)


@pytest.mark.parametrize("gain", [0.0, 5e-324, 1e300, float("inf"), float("nan")])
def test_a_gain_that_no_recorder_has_is_refused(gain: float) -> None:
    hints = Hints(sample_rate_hz=500.0, gain_adu_per_mv=gain, lead_names=STANDARD_LEADS)
    with pytest.raises(InvalidArgument) as refused:
        read_source(npy_file(COUNTS.astype("<i2")), hints)
    assert refused.value.field == "gain_adu_per_mv"
