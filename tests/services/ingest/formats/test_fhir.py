"""FHIR Observations with sampled data."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest

from precordia.errors import HintConflict, MissingField, TooLarge, UnreadableFile
from precordia.leads import STANDARD_LEADS
from precordia.record import Hints, Sex, Unit
from precordia.source import Source
from services.ingest.formats import ReaderContext, fhir_json, read_source
from tests.services.ingest.formats.written_files import ecg_counts
from tests.services.ingest.formats.written_xml import IDENTITIES, fhir_component, fhir_observation

VALUES = ecg_counts(300)


def text(values: Any) -> str:
    return " ".join(map(str, values.tolist()))


def observation(**facts: Any) -> Source:
    return fhir_observation(
        *(fhir_component(lead, text(column), **facts) for lead, column in zip(STANDARD_LEADS, VALUES.T, strict=True))
    )


@pytest.mark.parametrize(
    "time",
    [
        {"period": 2},
        {"period": 2.0},
        {"period": None, "interval": 2, "intervalUnit": "ms"},
        {"period": None, "interval": 0.002, "intervalUnit": "s"},
        {"period": None, "interval": 2000, "intervalUnit": "us"},
    ],
)
def test_r4_and_r5_say_the_same_time(time: dict[str, Any]) -> None:
    (recording,) = read_source(observation(**time))
    assert recording.leads == STANDARD_LEADS
    for channel, column in zip(recording.channels, VALUES.T, strict=True):
        assert (channel.unit, channel.gain, channel.sample_rate_hz) == ("uV", 0.4, 500.0)
        np.testing.assert_array_equal(channel.samples, column)
    assert recording.remarks == ()


def test_values_are_factor_times_data_plus_origin() -> None:
    origin = {"value": 2048, "unit": "microvolts", "code": "uV"}
    component = fhir_component("II", "2041 2043 2037", origin=origin, factor=1.612, period=10)
    (channel,) = read_source(fhir_observation(component))[0].channels
    np.testing.assert_allclose(channel.physical(), np.array([2041, 2043, 2037]) * 1.612 + 2048, rtol=1e-12)
    assert (channel.sample_rate_hz, channel.samples.tolist()) == (100.0, [2041, 2043, 2037])


def test_an_absent_factor_is_one_and_decimals_stay_decimals() -> None:
    component = fhir_component("V2", "0.25 -1 .5 1e1", factor=None, origin={"value": 0, "code": "mV"})
    (channel,) = read_source(fhir_observation(component))[0].channels
    np.testing.assert_array_equal(channel.physical(), [0.25, -1, 0.5, 10])
    assert channel.unit == "mV"


def test_letters_stand_for_missing_samples_and_those_beyond_the_range_are_said() -> None:
    (recording,) = read_source(fhir_observation(fhir_component("I", "1 E 3 U L 6 -7")))
    (channel,) = recording.channels
    np.testing.assert_array_equal(channel.physical(), [2.5, np.nan, 7.5, np.nan, np.nan, 15, -17.5])
    assert channel.samples.dtype == np.int16
    assert [remark.code for remark in recording.remarks] == ["saturated", "missing_samples"]
    assert recording.remarks[0].message.startswith("2 samples")


@pytest.mark.parametrize("letters", ["1 2 X", "1 NaN 2 EE", "1 2 E3U"])
def test_other_letters_are_refused(letters: str) -> None:
    with pytest.raises(UnreadableFile):
        read_source(fhir_observation(fhir_component("I", letters)))


@pytest.mark.parametrize(("code", "lead"), [("131329", "I"), ("131389", "III"), ("131390", "aVR"), ("131332", "V2")])
def test_leads_are_told_by_their_mdc_code(code: str, lead: str) -> None:
    component = fhir_component("whatever", "1 2 3")
    component["code"] = {"coding": [{"system": "urn:oid:2.16.840.1.113883.6.24", "code": code}]}
    assert read_source(fhir_observation(component))[0].channels[0].label == lead


def test_leads_are_told_by_words_and_others_keep_theirs() -> None:
    component, other = fhir_component("x", "1 2 3"), fhir_component("Respiration", "4 5 6")
    component["code"] = {"coding": [{"display": "MDC_ECG_ELEC_POTL_V5"}]}
    (recording,) = read_source(fhir_observation(component, other))
    assert [channel.label for channel in recording.channels] == ["V5", "Respiration"]


def test_dimensions_are_interleaved_and_their_leads_asked_for() -> None:
    source = fhir_observation(fhir_component("12-lead", text(VALUES.reshape(-1)), dimensions=12))
    with pytest.raises(MissingField) as caught:
        read_source(source)
    assert (caught.value.field, caught.value.details["channels"]) == ("lead_names", "12")
    signal = read_source(source, Hints(lead_names=STANDARD_LEADS))[0].signal()
    np.testing.assert_allclose(signal.values, VALUES.T * 0.0025, rtol=1e-6)


def test_samples_that_do_not_fill_the_dimensions_are_refused() -> None:
    with pytest.raises(UnreadableFile, match="dimensions"):
        read_source(fhir_observation(fhir_component("x", "1 2 3 4 5", dimensions=2)))


def test_a_missing_unit_or_rate_is_asked_for_and_never_guessed() -> None:
    component = fhir_component("II", "2041 2043", origin={"value": 2048}, period=None)
    with pytest.raises(MissingField) as caught:
        read_source(fhir_observation(component))
    assert caught.value.details["fields"] == "sample_rate_hz,unit"
    (recording,) = read_source(fhir_observation(component), Hints(sample_rate_hz=100, unit=Unit.MICROVOLT))
    np.testing.assert_allclose(recording.channels[0].physical(), [2041 * 2.5 + 2048, 2043 * 2.5 + 2048])


def test_a_hint_against_the_file_is_refused() -> None:
    with pytest.raises(HintConflict):
        read_source(observation(), Hints(sample_rate_hz=250))
    with pytest.raises(HintConflict):
        read_source(observation(), Hints(unit=Unit.MILLIVOLT))


def test_components_of_other_rates_are_recordings_of_their_own() -> None:
    slow = fhir_component("II", "7 8 9", period=4)
    first, second = read_source(fhir_observation(fhir_component("II", "1 2 3"), slow))
    assert [recording.channels[0].sample_rate_hz for recording in (first, second)] == [500.0, 250.0]


def test_a_bundle_holds_a_recording_for_each_observation() -> None:
    one, two = (json.loads(fhir_observation(fhir_component("II", data)).content) for data in ("1 2", "3 4"))
    patient = {"resourceType": "Patient", "name": [{"family": "Doe"}]}
    bundle = {"resourceType": "Bundle", "entry": [{"resource": item} for item in (patient, one, two)]}
    recordings = read_source(Source("b.json", json.dumps(bundle).encode()))
    assert [recording.channels[0].samples.tolist() for recording in recordings] == [[1, 2], [3, 4]]


def test_an_observation_may_hold_its_samples_itself() -> None:
    component = fhir_component("Lead aVF", "5 6 7")
    source = fhir_observation(component=None, code=component["code"], valueSampledData=component["valueSampledData"])
    assert read_source(source)[0].leads == ("aVF",)


def test_facts_are_kept_and_nobodys_name_is() -> None:
    source = fhir_observation(fhir_component("I", "1 2 3"), interpretation=[{"text": "Sinus rhythm"}])
    (recording,) = read_source(source, None, ReaderContext(patient_secret=b"key"))
    assert recording.acquired_at == datetime(2015, 2, 19, 8, 30, 35, tzinfo=UTC)
    assert recording.acquired_at.tzinfo == timezone(timedelta(hours=1))
    assert recording.device.statements == ("Sinus rhythm",)
    facts = repr((recording.patient_key, recording.device, recording.remarks, recording.provenance))
    assert len(recording.patient_key) == 64
    assert not [name for name in IDENTITIES if name in facts]


@pytest.mark.parametrize(
    "content",
    [
        b'{"resourceType":"Observation","valueSampledData":' + b"[" * 5000,
        b'{"resourceType":"Observation","valueSampledData":NaN}',
        b'{"resourceType":"Patient","valueSampledData":{}}',
        b'{"resourceType":"Observation","valueSampledData":{"data":"1 2","period":1e999999,"dimensions":1}}',
        b'{"resourceType":"Observation","valueSampledData":{"data":"1 2","period":' + b"9" * 6000 + b"}}",
        b'{"resourceType":"Observation","component":{"valueSampledData":[]},"code":7}',
    ],
)
def test_what_is_no_resource_is_refused(content: bytes) -> None:
    with pytest.raises(UnreadableFile):
        read_source(Source("a.json", content))


def test_a_file_of_too_many_values_is_refused_before_it_is_parsed() -> None:
    content = b'{"resourceType":"Bundle","valueSampledData":[' + b"[]," * fhir_json.MAX_VALUES + b"[]]}"
    with pytest.raises(TooLarge):
        read_source(Source("a.json", content))


def test_a_patient_inside_the_resource_gives_key_and_sex_and_its_local_name_none() -> None:
    context = ReaderContext(patient_secret=b"key")
    inside = {"resourceType": "Patient", "id": "p", "gender": "female", "identifier": [{"value": "PID-4711"}]}
    facts: dict[str, Any] = {"subject": {"reference": "#p"}, "contained": [inside]}
    (recording,) = read_source(fhir_observation(fhir_component("I", "1 2"), **facts), None, context)
    assert (recording.sex, len(recording.patient_key)) == (Sex.FEMALE, 64)
    (other,) = read_source(fhir_observation(fhir_component("I", "1 2"), subject={"reference": "#p"}), None, context)
    assert other.patient_key == ""


def test_signals_without_a_unit_are_told_by_the_word_beside_the_code() -> None:
    component = fhir_component("II", "0.5 -1 2", origin={"value": 0, "unit": "standardised", "code": "1"})
    assert read_source(fhir_observation(component))[0].channels[0].unit == "standardised"


def test_an_interval_that_was_computed_as_a_double_is_its_whole_rate() -> None:
    for rate in (360, 257, 128, 999, 77):
        (recording,) = read_source(fhir_observation(fhir_component("II", "1 2 3", period=1000.0 / rate)))
        assert recording.channels[0].sample_rate_hz == rate


def test_a_resource_on_one_line_is_told_from_a_wfdb_header() -> None:
    content = json.dumps(json.loads(observation().content), separators=(",", ":")).encode()
    assert read_source(Source("a", content))[0].provenance.format == "fhir"
    spaced = b'{"resourceType":"Observation", "component": [' + b'{"valueSampledData":{"data":"1 2 3 4 5"}}]}'
    with pytest.raises(MissingField) as caught:
        read_source(Source("a.hea", spaced))
    assert "sample_rate_hz" in caught.value.details["fields"]
