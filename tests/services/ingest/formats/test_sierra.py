"""Philips SierraECG XML, compressed and plain."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from precordia.errors import HintConflict, MissingField, TooLarge, UnreadableFile
from precordia.leads import STANDARD_LEADS
from precordia.record import Hints, Sex
from precordia.source import Source
from services.ingest.formats import ReaderContext, read_source
from services.ingest.formats.limits import Limits
from services.ingest.formats.xli import unpack_xli
from tests.services.ingest.formats.written_files import ecg_counts
from tests.services.ingest.formats.written_xml import IDENTITIES, lzw_packed, sierra_file, xli_chunk


def smooth_counts(samples: int = 1000) -> NDArray[np.int64]:
    """Counts that obey Einthoven and Goldberger, as smooth as an ECG: (samples, 12)."""
    random = np.random.default_rng(3)
    steps = np.cumsum(random.integers(-3, 4, (samples, 12)), axis=0)
    one, two = steps[:, 0], steps[:, 1]
    steps[:, 2], steps[:, 3] = two - one, -(one + two) // 2
    steps[:, 4], steps[:, 5] = (one - (two - one)) // 2, (two + (two - one)) // 2
    return steps


VALUES = smooth_counts()


def with_calibration(values: NDArray[np.int64], height: int = 200) -> NDArray[np.int64]:
    pulse = np.zeros((200, 12), np.int64)
    pulse[50:150] = height
    return np.concatenate([values, pulse])


@pytest.mark.parametrize("version", ["1.03", "1.04"])
@pytest.mark.parametrize("form", ["XLI", "base64", "plain"])
@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16"])
def test_every_version_form_and_encoding_holds_the_same_counts(version: str, form: str, encoding: str) -> None:
    (recording,) = read_source(sierra_file(VALUES, version=version, form=form, encoding=encoding))
    assert recording.leads == STANDARD_LEADS
    for channel, column in zip(recording.channels, VALUES.T, strict=True):
        assert (channel.unit, channel.gain, channel.sample_rate_hz) == ("uV", 0.2, 500.0)
        np.testing.assert_array_equal(channel.samples, column)
    assert recording.remarks == ()


def test_the_resolution_scales_the_counts() -> None:
    lead = read_source(sierra_file(VALUES, form="base64", resolution="2.5"))[0].signal(("V3",)).values[0]
    np.testing.assert_allclose(lead, VALUES[:, 8] * 0.0025, rtol=1e-6)


def test_plain_limb_leads_are_stored_and_not_rebuilt() -> None:
    values = VALUES.copy()
    values[:, 2:6] = 7
    (recording,) = read_source(sierra_file(values, form="base64"))
    assert [set(channel.samples.tolist()) for channel in recording.channels[2:6]] == [{7}] * 4


def test_leads_in_another_order_keep_their_names_where_they_are_stored_whole() -> None:
    order = [2, 0, 1, 3, 5, 4, *range(6, 12)]
    leads = [STANDARD_LEADS[place] for place in order]
    signal = read_source(sierra_file(VALUES[:, order], leads, form="base64"))[0].signal()
    np.testing.assert_allclose(signal.values, VALUES.T * 0.005, rtol=1e-6, atol=1e-9)
    with pytest.raises(UnreadableFile, match="order"):
        read_source(sierra_file(VALUES[:, order], leads))


@pytest.mark.parametrize("form", ["XLI", "base64"])
def test_a_calibration_pulse_at_the_end_is_cut_off_and_said(form: str) -> None:
    (recording,) = read_source(sierra_file(with_calibration(VALUES), form=form))
    assert {channel.samples.size for channel in recording.channels} == {1000}
    np.testing.assert_array_equal(recording.channels[3].samples, VALUES[:, 3])
    assert [remark.code for remark in recording.remarks] == ["calibration_pulse"]
    assert recording.provenance.transforms == ("sierra.calibration_cut:1000",)


@pytest.mark.parametrize("height", [150, 0])
def test_what_is_no_millivolt_is_no_calibration_pulse(height: int) -> None:
    (recording,) = read_source(sierra_file(with_calibration(VALUES, height), form="base64"))
    assert recording.channels[0].samples.size == 1200
    assert "calibration_pulse" not in [remark.code for remark in recording.remarks]


def test_a_pulse_in_the_middle_is_signal() -> None:
    values = np.concatenate([with_calibration(VALUES), VALUES, VALUES])
    assert read_source(sierra_file(values, form="base64"))[0].channels[0].samples.size == 3200


def test_leads_without_names_are_asked_for() -> None:
    source = sierra_file(VALUES, version="1.03", form="base64")
    bare = Source("a.xml", source.content.replace(b"STD-12", b"OTHER"))
    with pytest.raises(MissingField) as caught:
        read_source(bare)
    assert (caught.value.field, caught.value.details["channels"]) == ("lead_names", "12")
    signal = read_source(bare, Hints(lead_names=STANDARD_LEADS))[0].signal(("aVF",))
    np.testing.assert_allclose(signal.values[0], VALUES[:, 5] * 0.005, rtol=1e-6, atol=1e-9)


def test_fewer_samples_than_declared_are_refused() -> None:
    content = sierra_file(VALUES, form="base64").content
    with pytest.raises(UnreadableFile, match="fewer samples"):
        read_source(Source("a.xml", content.replace(b'durationperchannel="2000"', b'durationperchannel="9000"')))


def test_a_rate_hint_against_the_file_is_refused() -> None:
    with pytest.raises(HintConflict):
        read_source(sierra_file(VALUES), Hints(sample_rate_hz=1000))


def test_facts_are_kept_and_nobodys_name_is() -> None:
    (recording,) = read_source(sierra_file(VALUES), None, ReaderContext(patient_secret=b"key"))
    assert (recording.age_years, recording.sex) == (60.0, Sex.FEMALE)
    assert recording.acquired_at == datetime(2010, 1, 19, 15, 19, 22)
    assert recording.device.measurements == {"heartrate": "84", "median_beat_rate_hz": "500"}
    assert recording.device.statements == ("SINUS RHYTHM normal P axis", "ABNORMAL ECG")
    np.testing.assert_allclose(recording.device.median_beats["I"], VALUES[:20, 0] * 0.0025)
    facts = repr((recording.patient_key, recording.device, recording.remarks, recording.provenance))
    assert len(recording.patient_key) == 64
    assert not [name for name in (*IDENTITIES, "1950") if name in facts]


@pytest.mark.parametrize("samples", [2, 3, 4, 5, 500, 5001])
def test_a_chunk_unpacks_to_what_was_packed(samples: int) -> None:
    values = ecg_counts(samples)[:, 0] if samples > 4 else np.arange(samples + 2)
    chunk = xli_chunk(values)
    np.testing.assert_array_equal(unpack_xli(chunk, 1, Limits())[0], values)


def test_long_runs_use_codes_before_they_are_complete() -> None:
    values = np.zeros(40_000, np.int64)
    np.testing.assert_array_equal(unpack_xli(xli_chunk(values), 1, Limits())[0], values)


def test_a_chunk_that_expands_beyond_the_limits_is_refused_before_it_does() -> None:
    packed = lzw_packed(bytes(4 << 20))
    with pytest.raises(TooLarge):
        unpack_xli(len(packed).to_bytes(4, "little") + bytes(4) + packed, 1, Limits())


@pytest.mark.parametrize("damage", [b"\xff\xff\xff\x7f", b"\0\0\0\0", b"\xff\xff\xff\xff"])
def test_a_chunk_of_impossible_size_is_refused(damage: bytes) -> None:
    with pytest.raises(UnreadableFile):
        unpack_xli(damage + xli_chunk(VALUES[:, 0])[4:], 1, Limits())


def test_the_real_files_lose_their_calibration_pulse_and_obey_einthoven(testdata: Path) -> None:
    for name, samples in (("129DYPRG.XML", 5264), ("3191723_ZZDEMOPTONLY_1-04_orig.xml", 5300)):
        (recording,) = read_source(Source(name, (testdata / "formats/philips" / name).read_bytes()))
        assert {channel.samples.size for channel in recording.channels} == {samples}
        assert [remark.code for remark in recording.remarks] == ["calibration_pulse"]
        assert recording.leads == STANDARD_LEADS


def test_rebuilt_leads_are_within_half_a_count_of_their_halves(testdata: Path) -> None:
    """The 1.04 file was computed without drift, so that only rounding separates stored leads from exact halves."""
    name = "3191723_ZZDEMOPTONLY_1-04_orig.xml"
    (recording,) = read_source(Source(name, (testdata / "formats/philips" / name).read_bytes()))
    one, two, three, right, left, foot = (channel.samples.astype(float) for channel in recording.channels[:6])
    for lead, exact in ((right, -(one + two) / 2), (left, (one - three) / 2), (foot, (two + three) / 2)):
        assert np.abs(lead - exact).max() <= 0.5
