"""GE CardioSoft XML, on files written after its public description; no real one was at hand."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest

from precordia.errors import MissingField, UnreadableFile
from precordia.leads import STANDARD_LEADS
from precordia.record import Hints, Sex
from precordia.source import Source
from services.ingest.formats import ReaderContext, read_source
from tests.services.ingest.formats.written_files import ecg_counts
from tests.services.ingest.formats.written_xml import IDENTITIES, cardiosoft_exercise, cardiosoft_rest

VALUES = ecg_counts(700)
TEST_LEADS = ("I", "2", "3")


def test_a_resting_ecg_has_its_counts_in_microvolts_for_each() -> None:
    (recording,) = read_source(cardiosoft_rest(VALUES))
    assert recording.leads == STANDARD_LEADS
    for channel, column in zip(recording.channels, VALUES.T, strict=True):
        assert (channel.unit, channel.gain, channel.sample_rate_hz) == ("uV", 0.2, 500.0)
        np.testing.assert_array_equal(channel.samples, column)
    np.testing.assert_allclose(recording.device.median_beats["aVL"], VALUES[:20, 4] * 0.005)
    assert recording.remarks == ()


@pytest.mark.parametrize("spelling", [str.upper, str.lower, str.title])
def test_lead_names_count_in_any_case(spelling: object) -> None:
    assert callable(spelling)
    order = [3, 5, 4, 2, 0, 1, *range(6, 12)]
    leads = [spelling(STANDARD_LEADS[place]) for place in order]
    signal = read_source(cardiosoft_rest(VALUES[:, order], leads))[0].signal()
    np.testing.assert_allclose(signal.values, VALUES.T * 0.005, rtol=1e-6)


def test_full_disclosure_is_whole_and_comes_before_the_strips() -> None:
    values = ecg_counts(1800, 3)
    whole, first, second = read_source(cardiosoft_exercise(values, TEST_LEADS, strips=2))
    assert [recording.provenance.source_record for recording in (whole, first, second)] == [
        "full disclosure",
        "strip 0:15",
        "strip 1:15",
    ]
    assert [channel.label for channel in whole.channels] == ["I", "2", "3"]
    for channel, column in zip(whole.channels, values[:1500].T, strict=True):
        np.testing.assert_array_equal(channel.samples, column)
    assert [(remark.code, remark.message[:21]) for remark in whole.remarks] == [
        ("partial_second", "The last 300 samples ")
    ]
    np.testing.assert_array_equal(second.channels[2].samples, values[:500, 2])


def test_seconds_of_full_disclosure_are_as_long_as_the_rate_says() -> None:
    values = ecg_counts(400, 3)
    (whole,) = read_source(cardiosoft_exercise(values, TEST_LEADS, rate=100, strips=0))
    assert {channel.sample_rate_hz for channel in whole.channels} == {100.0}
    np.testing.assert_array_equal(whole.channels[1].samples, values[:, 1])


def test_an_empty_full_disclosure_leaves_the_strips() -> None:
    content = cardiosoft_exercise(ecg_counts(500, 3), TEST_LEADS).content
    at = content.index(b"<FullDisclosureData>") + len(b"<FullDisclosureData>")
    emptied = content[:at] + content[content.index(b"</FullDisclosureData>") :]
    (strip,) = read_source(Source("a.xml", emptied))
    assert strip.channels[0].samples.size == 500


def test_a_lead_order_of_another_number_is_refused() -> None:
    content = cardiosoft_exercise(ecg_counts(500, 3), TEST_LEADS).content.replace(b"I,2,3</Lead", b"I,2</Lead")
    with pytest.raises(UnreadableFile, match="which leads"):
        read_source(Source("a.xml", content))


def test_a_resolution_without_unit_and_a_missing_rate_are_asked_for() -> None:
    with pytest.raises(MissingField) as caught:
        read_source(cardiosoft_rest(VALUES, resolution="<Resolution>5</Resolution>", rate=""))
    assert caught.value.details["fields"] == "sample_rate_hz,unit"


def test_another_unit_of_resolution_is_refused() -> None:
    with pytest.raises(UnreadableFile, match="unit"):
        read_source(cardiosoft_rest(VALUES, resolution='<Resolution units="mmPerLsb">5</Resolution>'))


def test_fewer_samples_than_declared_are_refused() -> None:
    content = cardiosoft_rest(VALUES).content.replace(b"Total>700<", b"Total>5000<")
    with pytest.raises(UnreadableFile, match="fewer samples"):
        read_source(Source("a.xml", content))


def test_facts_are_kept_and_nobodys_name_is() -> None:
    (recording,) = read_source(cardiosoft_rest(VALUES), Hints(), ReaderContext(patient_secret=b"key"))
    assert (recording.age_years, recording.sex) == (66.0, Sex.FEMALE)
    assert recording.acquired_at == datetime(2016, 2, 29, 10, 20, 30)
    assert recording.device.measurements == {"VentricularRate": "61 BPM", "median_beat_rate_hz": "500"}
    assert recording.device.statements == ("Sinusrhythmus für 10 s",)
    assert recording.device.filters == {"LowPass": "100"}
    facts = repr((recording.patient_key, recording.device, recording.remarks))
    assert len(recording.patient_key) == 64
    assert not [name for name in IDENTITIES if name in facts]


def test_a_number_that_a_line_end_breaks_is_refused() -> None:
    content = cardiosoft_rest(VALUES).content
    at = content.rindex(b",") - 1
    with pytest.raises(UnreadableFile, match="commas"):
        read_source(Source("a.xml", content[:at] + b"1\n1" + content[at + 1 :]))
