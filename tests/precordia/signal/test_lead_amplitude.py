"""Amplitudes that no heart has: a wrong unit or gain is said, whatever else is found, and real sizes are not."""

from __future__ import annotations

from dataclasses import replace

import numba
import numpy as np
import pytest

from precordia.leads import STANDARD_LEADS
from precordia.quality import Defect, Finding, Grade, Quality
from precordia.record import Channel, Provenance, Recording, Signal, Unit
from precordia.signal.lead_amplitude import faint, message, spans, typical
from precordia.signal.quality import assess, assess_signal
from tests.precordia.signal.synthetic_ecg import RATE_HZ, as_signal, leads

whole_ecgs = pytest.mark.skipif(
    bool(numba.config.DISABLE_JIT), reason="whole ECGs take minutes uncompiled; test_quality_kernels does not"
)


def amplitudes(quality: Quality) -> list[Finding]:
    return [finding for finding in quality.findings if finding.defect is Defect.IMPLAUSIBLE_AMPLITUDE]


def of_size(factor: float, unit: Unit = Unit.MILLIVOLT) -> Signal:
    return as_signal({lead: values * factor for lead, values in leads().items()}, unit=unit)


def test_a_stretch_spans_from_its_smallest_to_its_largest_value() -> None:
    values = np.zeros((2, 700), np.float32)
    values[0, 10], values[0, 20], values[0, 450], values[1, 300] = 2.0, -1.0, 5.0, -0.5
    apart = spans(values, 100.0)
    assert apart.tolist() == [[3.0, 0.0, 5.0], [0.0, 0.5, 0.0]]
    assert typical(apart).tolist() == [3.0, 0.0]
    assert spans(values[:, :50], 100.0).tolist() == [[3.0], [0.0]]


@pytest.mark.parametrize(
    ("millivolts", "said"),
    [
        (12.3, "12 mV are hardly a heart's"),
        (1000.0, "1,000 mV are no heart's"),
        (1e30, "1e+30 mV are no heart's"),
        (0.001, "0.001 mV are no heart's"),
    ],
)
def test_the_message_names_the_amplitude_and_what_to_check(millivolts: float, said: str) -> None:
    assert message(millivolts) == f"Amplitudes of {said}; check the unit and the gain."


def test_faint_is_what_no_lead_rises_above_and_nothing_at_all_is_a_flat_line() -> None:
    assert faint(np.array([[0.01, 0.04], [0.0, 0.03]]))[0].value == 0.04
    assert faint(np.array([[0.01, 0.05], [0.0, 0.03]])) == []
    assert faint(np.zeros((12, 5))) == []


@whole_ecgs
@pytest.mark.parametrize("factor", [0.05, 0.3, 1.0, 4.0])
def test_sizes_that_hearts_have_are_not_remarked(factor: float) -> None:
    assert amplitudes(assess_signal(of_size(factor))) == []


@whole_ecgs
@pytest.mark.parametrize("factor", [1e3, 1e6, 1e30])
def test_microvolts_that_are_called_millivolts_are_found_in_every_lead(factor: float) -> None:
    quality = assess_signal(of_size(factor))
    assert {finding.lead for finding in amplitudes(quality)} == set(STANDARD_LEADS)
    assert {finding.grade for finding in amplitudes(quality)} == {Grade.POOR}
    assert quality.findings[0].defect is Defect.IMPLAUSIBLE_AMPLITUDE
    assert quality.grade is Grade.POOR
    assert amplitudes(quality)[0].value == pytest.approx(factor, rel=0.8)


@whole_ecgs
def test_one_lead_of_a_wrong_gain_is_named() -> None:
    made = leads()
    made["V3"] = made["V3"] * 10
    made["V4"] = made["V4"] * 40
    found = {finding.lead: finding.grade for finding in amplitudes(assess_signal(as_signal(made)))}
    assert found == {"V3": Grade.USABLE, "V4": Grade.POOR}


@whole_ecgs
def test_a_single_artefact_makes_no_amplitude() -> None:
    made = leads()
    made["V2"][2500:2510] += 80.0
    assert amplitudes(assess_signal(as_signal(made))) == []


@whole_ecgs
@pytest.mark.parametrize("factor", [0.02, 1e-3, 1e-6])
def test_volts_that_are_called_millivolts_are_found_once_for_the_whole(factor: float) -> None:
    quality = assess_signal(of_size(factor))
    (finding,) = amplitudes(quality)
    assert (finding.lead, finding.grade, finding.limit) == ("", Grade.POOR, 0.05)
    assert quality.grade in (Grade.POOR, Grade.UNUSABLE)
    assert any(remark.code == "quality_implausible_amplitude" for remark in quality.remarks())


@whole_ecgs
def test_one_faint_lead_among_others_is_no_finding() -> None:
    made = leads()
    made["V2"] = made["V2"] * 1e-3
    assert amplitudes(assess_signal(as_signal(made))) == []


@whole_ecgs
def test_a_signal_without_millivolts_has_no_amplitude_to_judge() -> None:
    assert amplitudes(assess_signal(of_size(1e3, Unit.STANDARDISED))) == []
    assert amplitudes(assess_signal(of_size(1e3, Unit.MICROVOLT))) == []


@whole_ecgs
def test_a_recording_is_faint_only_where_all_of_its_parts_are() -> None:
    made = {lead: (values * 1e-3).astype(np.float32) for lead, values in leads().items()}
    slow = {lead: values[::2] for lead, values in made.items()}
    channels = [Channel("I", made["I"], RATE_HZ, "mV"), Channel("II", slow["II"], RATE_HZ / 2, "mV")]
    recording = Recording(tuple(channels), Provenance("made", "0" * 64, "made", "1", "made"))
    both = assess(recording)
    assert both is not None
    assert [finding.lead for finding in amplitudes(both)]
    channels[1] = replace(channels[1], samples=slow["II"] * 1000)
    one = assess(replace(recording, channels=tuple(channels)))
    assert one is not None
    assert amplitudes(one) == []
