"""Schiller XML."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from precordia.errors import MissingField, UnreadableFile
from precordia.leads import STANDARD_LEADS
from precordia.record import Hints, Sex
from precordia.source import Source
from services.ingest.formats import ReaderContext, read_source
from tests.services.ingest.formats.written_files import ecg_counts
from tests.services.ingest.formats.written_xml import IDENTITIES, schiller_file

VALUES = ecg_counts(300)


def test_the_rhythm_is_the_signal_and_averages_that_stand_first_are_not() -> None:
    (recording,) = read_source(schiller_file(VALUES))
    assert recording.leads == STANDARD_LEADS
    for channel, column in zip(recording.channels, VALUES.T, strict=True):
        assert (channel.unit, channel.gain, channel.sample_rate_hz) == ("uV", 0.5, 500.0)
        np.testing.assert_array_equal(channel.samples, column)
    np.testing.assert_allclose(recording.device.median_beats["V1"], VALUES[:20, 6] * 0.002)


def test_leads_keep_their_names_in_any_order() -> None:
    order = [2, 0, 1, 3, 5, 4, *range(6, 12)]
    leads = [STANDARD_LEADS[place] for place in order]
    signal = read_source(schiller_file(VALUES[:, order], leads))[0].signal()
    np.testing.assert_allclose(signal.values, VALUES.T * 0.002, rtol=1e-6)


def test_a_rate_with_an_exponent_that_is_not_known_is_asked_for() -> None:
    with pytest.raises(MissingField) as caught:
        read_source(schiller_file(VALUES, exponent="2"))
    assert caught.value.field == "sample_rate_hz"
    (recording,) = read_source(schiller_file(VALUES, exponent="2"), Hints(sample_rate_hz=500))
    assert recording.channels[0].sample_rate_hz == 500.0


def test_a_missing_unit_is_asked_for() -> None:
    with pytest.raises(MissingField) as caught:
        read_source(schiller_file(VALUES, units=""))
    assert caught.value.field == "unit"


def test_another_number_of_samples_than_declared_is_refused() -> None:
    content = schiller_file(VALUES).content.replace(b"count>300<", b"count>400<")
    with pytest.raises(UnreadableFile, match="another number"):
        read_source(Source("a.xml", content))


def test_facts_are_kept_and_nobodys_name_is() -> None:
    (recording,) = read_source(schiller_file(VALUES), None, ReaderContext(patient_secret=b"key"))
    assert (recording.age_years, recording.sex) == (66.0, Sex.FEMALE)
    assert recording.acquired_at == datetime(2016, 2, 29, 10, 20, 30)
    assert recording.device.measurements == {"HR": "69", "median_beat_rate_hz": "500"}
    facts = repr((recording.patient_key, recording.device, recording.remarks))
    assert len(recording.patient_key) == 64
    assert not [name for name in IDENTITIES if name in facts]


def test_the_real_file_has_the_numbers_that_stand_in_it(testdata: Path) -> None:
    content = (testdata / "formats/schiller/sample.xml").read_bytes()
    (recording,) = read_source(Source("sample.xml", content))
    rhythm = content[content.index(b"ECG_RHYTHMS") :]
    for channel, lead in zip(recording.channels, STANDARD_LEADS, strict=True):
        at = rhythm.index(b"<name>" + lead.upper().encode() + b"</name>")
        numbers = rhythm[rhythm.index(b"<data>", at) + 6 : rhythm.index(b"</data>", at)]
        assert (channel.label, channel.unit, channel.sample_rate_hz) == (lead, "uV", 500.0)
        np.testing.assert_array_equal(
            channel.physical(), [int(number) for number in numbers.strip(b", \n").split(b",")]
        )
    assert recording.acquired_at is None
    assert recording.remarks == ()


def test_the_real_files_beats_fit_its_heart_rate_at_the_rate_that_is_read(testdata: Path) -> None:
    """What the file calls exponent 1 leaves the rate as it is."""
    content = (testdata / "formats/schiller/sample.xml").read_bytes()
    (recording,) = read_source(Source("sample.xml", content))
    block = content[content.index(b"R_QRS_ON") : content.index(b"R_QRS_OFF")]
    beats = np.array([int(part.split(b"<")[0]) for part in block.split(b"<value>")[1:]])
    seconds = np.diff(beats).mean() / recording.channels[0].sample_rate_hz
    assert 60 / seconds == pytest.approx(float(recording.device.measurements["HR"]), abs=1)
