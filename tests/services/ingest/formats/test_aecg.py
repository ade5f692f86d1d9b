"""HL7 annotated ECG."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest

from precordia.errors import HintConflict, MissingField, UnreadableFile
from precordia.leads import STANDARD_LEADS
from precordia.record import Hints, Sex
from services.ingest.formats import ReaderContext, read_source
from services.ingest.formats.sampling_interval import rate_from_interval
from tests.services.ingest.formats.written_files import ecg_counts
from tests.services.ingest.formats.written_xml import IDENTITIES, aecg_file, aecg_sequences

VALUES = ecg_counts(300)
DIGITS = {
    f"MDC_ECG_LEAD_{lead.upper()}": column.tolist() for lead, column in zip(STANDARD_LEADS, VALUES.T, strict=True)
}


def test_digits_scale_and_increment_are_the_files() -> None:
    (recording,) = read_source(aecg_file(aecg_sequences(DIGITS)))
    assert recording.leads == STANDARD_LEADS
    for channel, column in zip(recording.channels, VALUES.T, strict=True):
        assert (channel.unit, channel.sample_rate_hz, channel.gain) == ("uV", 500.0, 0.4)
        np.testing.assert_array_equal(channel.samples, column)
    assert recording.remarks == ()


@pytest.mark.parametrize(
    ("origin", "scale", "millivolts"),
    [
        ('value="100" unit="uV"', 'value="2.5" unit="uV"', lambda digits: (digits * 2.5 + 100) / 1000),
        ('value="0.5" unit="mV"', 'value="5" unit="uV"', lambda digits: digits * 0.005 + 0.5),
        ('value="0" unit="V"', 'value="0.00488" unit="mV"', lambda digits: digits * 0.00488),
        ('value="-1" unit="mV"', 'value="1250" unit="nV"', lambda digits: digits * 0.00125 - 1),
    ],
)
def test_values_are_origin_plus_scale_times_digit_in_their_units(origin: str, scale: str, millivolts: object) -> None:
    (recording,) = read_source(aecg_file(aecg_sequences(DIGITS, origin=origin, scale=scale)))
    assert callable(millivolts)
    np.testing.assert_allclose(recording.signal(("V4",)).values[0], millivolts(VALUES[:, 9]), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(recording.channels[9].samples, VALUES[:, 9])


def test_origin_and_scale_of_other_kinds_are_refused() -> None:
    with pytest.raises(UnreadableFile, match="go together"):
        read_source(aecg_file(aecg_sequences(DIGITS, origin='value="3" unit="mmHg"')))


@pytest.mark.parametrize(
    ("increment", "rate"),
    [
        ('value="2" unit="ms"', 500.0),
        ('value="1000" unit="us"', 1000.0),
        ('value="0.00390625" unit="s"', 256.0),
        ('value="0.0027778" unit="s"', 360.0),
    ],
)
def test_the_increment_gives_the_rate(increment: str, rate: float) -> None:
    (recording,) = read_source(aecg_file(aecg_sequences(DIGITS, increment=increment)), Hints(sample_rate_hz=rate))
    assert recording.channels[0].sample_rate_hz == rate


@pytest.mark.parametrize(("written", "rate"), [("0.0027", 1 / 0.0027), ("0.00278", 360.0), ("0.004", 250.0)])
def test_only_the_reciprocal_of_a_whole_rate_becomes_one(written: str, rate: float) -> None:
    assert rate_from_interval(written, "s") == pytest.approx(rate, rel=1e-12)


def test_fractions_among_the_digits_stay_fractions() -> None:
    digits = {"MDC_ECG_LEAD_II": [0.5, -1.25, "1e2", 3]}
    channel = read_source(aecg_file(aecg_sequences(digits)))[0].channels[0]
    np.testing.assert_allclose(channel.physical(), [1.25, -3.125, 250, 7.5])


def test_the_negative_of_avr_is_turned_upright() -> None:
    channel = read_source(aecg_file(aecg_sequences({"MDC_ECG_LEAD_AVRNEG": VALUES[:, 3].tolist()})))[0].channels[0]
    assert channel.label == "aVR"
    np.testing.assert_allclose(channel.physical(), VALUES[:, 3] * -2.5)


def test_leads_keep_their_names_in_any_order() -> None:
    order = [f"MDC_ECG_LEAD_{lead}" for lead in ("AVR", "AVF", "AVL", "III", "I", "II")]
    signal = read_source(aecg_file(aecg_sequences({code: DIGITS[code] for code in order})))[0].signal(
        STANDARD_LEADS[:6]
    )
    np.testing.assert_allclose(signal.values, VALUES[:, :6].T * 0.0025, rtol=1e-6)


def test_the_representative_beat_is_kept_beside_the_rhythm() -> None:
    beat = aecg_sequences({"MDC_ECG_LEAD_II": [4, 8, 12]}, increment='value="4" unit="ms"')
    (recording,) = read_source(aecg_file(aecg_sequences(DIGITS), beat=beat))
    assert recording.device.median_beats == {"II": pytest.approx((0.01, 0.02, 0.03))}
    assert recording.device.measurements["median_beat_rate_hz"] == "250"


def test_sets_of_one_time_with_different_leads_are_one_recording_and_others_are_not() -> None:
    limb = {code: DIGITS[code] for code in list(DIGITS)[:6]}
    chest = {code: DIGITS[code] for code in list(DIGITS)[6:]}
    (joined,) = read_source(aecg_file(aecg_sequences(limb), aecg_sequences(chest)))
    assert joined.leads == STANDARD_LEADS
    apart = read_source(aecg_file(aecg_sequences(limb), aecg_sequences(limb)))
    assert [recording.leads for recording in apart] == [STANDARD_LEADS[:6]] * 2


def test_a_missing_increment_or_unit_is_asked_for() -> None:
    with pytest.raises(MissingField) as caught:
        read_source(aecg_file(aecg_sequences(DIGITS, increment="")))
    assert caught.value.field == "sample_rate_hz"
    with pytest.raises(MissingField) as caught:
        read_source(aecg_file(aecg_sequences(DIGITS, origin='value="0"', scale='value="2.5"')))
    assert caught.value.field == "unit"


def test_a_rate_hint_against_the_file_is_refused() -> None:
    with pytest.raises(HintConflict):
        read_source(aecg_file(aecg_sequences(DIGITS)), Hints(sample_rate_hz=250))


def test_facts_are_kept_and_nobodys_name_is() -> None:
    (recording,) = read_source(aecg_file(aecg_sequences(DIGITS)), None, ReaderContext(patient_secret=b"key"))
    assert (recording.age_years, recording.sex) == (52.0, Sex.FEMALE)
    assert recording.acquired_at == datetime(2002, 11, 22, 9, 10)
    assert (recording.device.manufacturer, recording.device.model) == ("Mortara", "ELI")
    assert recording.device.measurements == {"MDC_ECG_TIME_PD_QT": "420 ms"}
    facts = repr((recording.patient_key, recording.device, recording.remarks, recording.provenance))
    assert len(recording.patient_key) == 64
    assert not [name for name in IDENTITIES if name in facts]
