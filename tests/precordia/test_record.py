"""The recording: millivolts from the source's own numbers, derived leads, and honest absence."""

import numpy as np
import pytest

from precordia.errors import MissingField, UnsupportedView
from precordia.leads import STANDARD_LEADS
from precordia.record import Channel, Hints, Provenance, Recording, Remark, Unit
from precordia.steps import parse_step


def _channel(label: str, samples: object, **more: object) -> Channel:
    parts = {"sample_rate_hz": 500.0, "unit": "mV", "gain": 1000.0, **more}
    return Channel(label, np.asarray(samples), **parts)


def _recording(*channels: Channel, **more: object) -> Recording:
    return Recording(channels, Provenance("a.dcm", "00", "reader", "1", "dicom"), **more)


def test_counts_become_their_unit_by_gain_and_baseline() -> None:
    channel = _channel("I", np.array([100, 1100, -900], np.int16), baseline=100.0)
    assert channel.physical().tolist() == [0.0, 1.0, -1.0]


def test_missing_samples_are_nan_and_counted() -> None:
    missing = np.array([False, True, False, False])
    channel = _channel("I", np.array([0, -32768, 1000, 2000], np.int16), missing=missing)
    assert np.isnan(channel.physical()).tolist() == missing.tolist()
    assert channel.missing_fraction == 0.25
    assert _channel("I", np.zeros(0, np.int16)).missing_fraction == 1.0


def test_floats_are_taken_as_they_are() -> None:
    channel = _channel("V1", np.array([0.25, np.nan], np.float32), gain=None)
    np.testing.assert_array_equal(channel.physical(), [0.25, np.nan])


def test_leads_stand_in_standard_order_whatever_the_sources_order() -> None:
    recording = _recording(_channel("V1", [0]), _channel("MLII", [0]), _channel("II", [0]), _channel("I", [0]))
    assert recording.leads == ("I", "II", "V1")
    assert [channel.label for channel in recording.ecg_channels] == ["V1", "II", "I"]


def test_the_signal_is_in_millivolts_with_derived_limb_leads_and_nan_for_the_rest() -> None:
    recording = _recording(
        _channel("I", [0, 500, 0]), _channel("II", [0.0, 800.0, 100.0], unit="uV", gain=None), _channel("V2", [1, 2, 3])
    )
    signal = recording.signal()
    assert signal.leads == STANDARD_LEADS
    assert signal.unit is Unit.MILLIVOLT
    assert signal.values.dtype == np.float32
    np.testing.assert_allclose(signal.lead("II"), [0, 0.8, 0.1])
    np.testing.assert_allclose(signal.lead("III"), [0, 0.3, 0.1], atol=1e-7)
    np.testing.assert_allclose(signal.lead("aVR"), [0, -0.65, -0.05])
    assert signal.derived == ("III", "aVR", "aVL", "aVF")
    assert np.isnan(signal.lead("V1")).all()
    assert signal.duration_s == pytest.approx(0.006)


def test_a_standardised_recording_derives_nothing() -> None:
    channels = [_channel(lead, [0.0, 1.0], unit="standardised", gain=None) for lead in ("I", "II")]
    recording = _recording(*channels, applied=(parse_step("z-score"),))
    signal = recording.signal(("I", "II", "III"))
    assert signal.unit is Unit.STANDARDISED
    assert signal.applied == (parse_step("z-score"),)
    assert signal.derived == ()
    assert np.isnan(signal.lead("III")).all()


def test_leads_that_differ_in_rate_or_length_are_no_signal() -> None:
    with pytest.raises(UnsupportedView):
        _recording(_channel("I", [0, 0]), _channel("II", [0, 0], sample_rate_hz=250.0)).signal()
    with pytest.raises(UnsupportedView):
        _recording(_channel("I", [0, 0]), _channel("II", [0])).signal()


def test_a_recording_without_standard_leads_is_no_signal_and_has_no_unit() -> None:
    recording = _recording(_channel("MLII", [0, 0]))
    assert recording.unit is None
    with pytest.raises(UnsupportedView):
        recording.signal()


def test_a_lead_in_no_voltage_asks_for_its_unit() -> None:
    with pytest.raises(MissingField, match="Lead I has no unit") as refused:
        _recording(_channel("I", [0, 0], unit="adu")).signal()
    assert refused.value.field == "unit"


def test_hints_come_back_from_json_and_say_only_what_is_set() -> None:
    hints = Hints(360.0, Unit.MICROVOLT, 200.0, ("I", "II"), (parse_step("z-score"),), ";", ",", -1, "ecg")
    assert Hints.from_json(hints.to_json()) == hints
    assert Hints().to_json() == {}
    assert Hints.from_json({}) == Hints()


def test_remarks_are_added_to_a_new_recording() -> None:
    recording = _recording(_channel("I", [0]))
    remarked = recording.with_remarks(Remark("code", "said"))
    assert recording.remarks == ()
    assert remarked.remarks == (Remark("code", "said"),)
