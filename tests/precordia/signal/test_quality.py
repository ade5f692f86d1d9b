"""Each defect is put into a clean ECG, is found there and nowhere else, and leaves the signal as it is."""

from __future__ import annotations

import time
from collections.abc import Callable

import numba
import numpy as np
import pytest

from precordia.leads import STANDARD_LEADS
from precordia.quality import Defect, Finding, Grade, Quality
from precordia.record import Channel, Provenance, Recording, Signal, Unit
from precordia.signal.quality import assess, assess_signal
from tests.precordia.signal.synthetic_ecg import RATE_HZ, Leads, as_signal, leads, limb

pytestmark = pytest.mark.skipif(
    bool(numba.config.DISABLE_JIT), reason="whole ECGs take minutes uncompiled; test_quality_kernels does not"
)


def found(quality: Quality) -> set[tuple[Defect, str]]:
    return {(finding.defect, finding.lead) for finding in quality.findings}


def only(quality: Quality, defect: Defect) -> Finding:
    (finding,) = (finding for finding in quality.findings if finding.defect is defect)
    return finding


@pytest.fixture
def clean() -> Leads:
    return leads()


@pytest.mark.parametrize("rate_hz", [100.0, 250.0, 360.0, 400.0, 500.0, 1000.0])
@pytest.mark.parametrize("beat_s", [0.4, 0.83, 1.4])
def test_a_clean_ecg_is_good_at_every_rate(rate_hz: float, beat_s: float) -> None:
    quality = assess_signal(as_signal(leads(10, rate_hz, beat_s), rate_hz))
    assert (quality.grade, quality.findings) == (Grade.GOOD, ())
    assert tuple(lead.lead for lead in quality.leads) == STANDARD_LEADS


def test_what_is_not_measurable_is_none_and_not_zero() -> None:
    slow = assess_signal(as_signal(leads(10, 100.0), 100.0)).leads[0]
    assert (slow.hum_uv, slow.hum_hz, slow.noise_uv) == (None, None, None)
    assert slow.baseline_mv is not None
    standardised = assess_signal(as_signal(leads(), unit=Unit.STANDARDISED)).leads[0]
    assert (standardised.hum_uv, standardised.baseline_mv, standardised.noise_uv) == (None, None, None)


def test_microvolts_are_measured_as_millivolts(clean: Leads) -> None:
    in_uv = as_signal({lead: values * 1000 for lead, values in clean.items()}, unit=Unit.MICROVOLT)
    quality, expected = assess_signal(in_uv), assess_signal(as_signal(clean))
    assert quality.leads[7].noise_uv == pytest.approx(expected.leads[7].noise_uv, rel=1e-3)
    assert quality.grade is Grade.GOOD


def test_missing_samples_are_counted_by_lead(clean: Leads) -> None:
    clean["V2"][1000:1400] = np.nan
    quality = assess_signal(as_signal(clean))
    assert quality.leads[7].missing_fraction == pytest.approx(0.08)
    assert (Defect.MISSING, "V2") in found(quality)
    assert quality.grade is Grade.USABLE


def test_a_lead_without_a_sample_is_unusable_and_the_ecg_poor(clean: Leads) -> None:
    clean["V2"][:] = np.nan
    quality = assess_signal(as_signal(clean))
    assert quality.leads[7].grade is Grade.UNUSABLE
    assert quality.leads[7].missing_fraction == 1.0
    assert quality.grade is Grade.POOR


def test_six_lost_leads_make_the_ecg_unusable(clean: Leads) -> None:
    for lead in STANDARD_LEADS[6:]:
        clean[lead][:] = 0.125
    quality = assess_signal(as_signal(clean))
    assert quality.grade is Grade.UNUSABLE
    assert {lead for defect, lead in found(quality) if defect is Defect.FLAT_LINE} == set(STANDARD_LEADS[6:])


@pytest.mark.parametrize(("seconds", "grade"), [(0.9, Grade.GOOD), (1.5, Grade.USABLE), (3.0, Grade.POOR)])
def test_a_flat_line_counts_from_one_second_on(clean: Leads, seconds: float, grade: Grade) -> None:
    clean["V4"][2000 : 2000 + int(seconds * RATE_HZ)] = clean["V4"][2000]
    lead = assess_signal(as_signal(clean)).leads[9]
    assert lead.grade is grade
    assert lead.flat_fraction == pytest.approx(0.0 if grade is Grade.GOOD else seconds / 10, abs=0.005)


def test_a_signal_cut_off_at_a_rail_is_clipped(clean: Leads) -> None:
    quality = assess_signal(as_signal(clean | {"V5": np.clip(clean["V5"], -5, 0.4)}))
    assert found(quality) == {(Defect.CLIPPING, "V5")}
    held = np.mean(clean["V5"] >= 0.4)
    assert quality.leads[10].clipped_fraction == pytest.approx(held, abs=0.02)


@pytest.mark.parametrize("hz", [50.0, 49.85, 60.0, 60.1])
@pytest.mark.parametrize("amplitude_uv", [40.0, 200.0])
def test_mains_hum_is_measured_in_amplitude_and_frequency(clean: Leads, hz: float, amplitude_uv: float) -> None:
    clean["V3"] += amplitude_uv / 1e3 * np.sin(2 * np.pi * hz * np.arange(5000) / RATE_HZ + 1)
    quality = assess_signal(as_signal(clean))
    hum = only(quality, Defect.MAINS_HUM)
    assert (hum.lead, hum.grade) == ("V3", Grade.USABLE if amplitude_uv < 100 else Grade.POOR)
    assert quality.leads[8].hum_uv == pytest.approx(amplitude_uv, rel=0.1)
    assert quality.leads[8].hum_hz == round(hz, -1)
    assert not any(defect is Defect.NOISE for defect, _ in found(quality))


def test_broad_noise_is_no_hum(clean: Leads) -> None:
    clean["V3"] += np.random.default_rng(1).normal(0, 0.06, 5000)
    quality = assess_signal(as_signal(clean))
    assert {(d, lead) for d, lead in found(quality)} == {(Defect.NOISE, "V3")}
    assert quality.leads[8].noise_uv == pytest.approx(60, rel=0.15)


def test_noise_is_measured_between_the_beats() -> None:
    sharp = assess_signal(as_signal(leads(beat_s=0.35))).leads[9]
    assert sharp.noise_uv == pytest.approx(4, abs=2)


@pytest.mark.parametrize(("hz", "amplitude_mv"), [(0.1, 0.5), (0.3, 0.8)])
def test_a_wandering_baseline_is_measured_peak_to_peak(clean: Leads, hz: float, amplitude_mv: float) -> None:
    clean["V6"] += amplitude_mv * np.sin(2 * np.pi * hz * np.arange(5000) / RATE_HZ)
    quality = assess_signal(as_signal(clean))
    assert found(quality) == {(Defect.BASELINE_WANDER, "V6")}
    assert quality.leads[11].baseline_mv == pytest.approx(2 * amplitude_mv, rel=0.2)


def test_the_baseline_of_a_long_recording_is_judged_by_its_typical_ten_seconds() -> None:
    long = leads(60)
    long["V6"][:500] += 3.0
    assert assess_signal(as_signal(long)).leads[11].baseline_mv == pytest.approx(0, abs=0.2)


@pytest.mark.parametrize("lead", STANDARD_LEADS[:6])
def test_a_limb_lead_that_does_not_fit_the_others_is_named(clean: Leads, lead: str) -> None:
    clean[lead] = clean[lead] * 1.5
    disagree = only(assess_signal(as_signal(clean)), Defect.LEADS_DISAGREE)
    assert disagree.lead == lead
    assert disagree.value == pytest.approx(np.std(clean[lead] / 3), rel=0.02)


def test_two_exchanged_limb_leads_disagree_without_a_single_culprit(clean: Leads) -> None:
    clean["I"], clean["aVF"] = clean["aVF"], clean["I"]
    disagree = only(assess_signal(as_signal(clean)), Defect.LEADS_DISAGREE)
    assert disagree.lead == ""


def swapped_arms(made: Leads) -> Leads:
    return limb(made, -made["I"], made["III"])


def swapped_arm_and_leg(made: Leads) -> Leads:
    return limb(made, -made["III"], -made["II"])


def right_arm_on_right_leg(made: Leads) -> Leads:
    chest = {lead: values - made["II"] / 3 for lead, values in made.items() if lead.startswith("V")}
    return limb(made, -made["III"], 0.005 * made["II"]) | chest


def left_arm_on_right_leg(made: Leads) -> Leads:
    chest = {lead: values - made["III"] / 3 for lead, values in made.items() if lead.startswith("V")}
    return limb(made, made["II"], made["II"] * 1.005) | chest


@pytest.mark.parametrize(
    ("swap", "defect", "lead"),
    [
        (swapped_arms, Defect.ARMS_SWAPPED, "I"),
        (swapped_arm_and_leg, Defect.ARM_AND_LEG_SWAPPED, "II"),
        (right_arm_on_right_leg, Defect.NEUTRAL_SWAPPED, "II"),
        (left_arm_on_right_leg, Defect.NEUTRAL_SWAPPED, "III"),
    ],
)
def test_swapped_limb_electrodes_are_suspected(
    clean: Leads, swap: Callable[[Leads], Leads], defect: Defect, lead: str
) -> None:
    quality = assess_signal(as_signal(swap(clean)))
    assert (defect, lead) in found(quality)
    assert quality.grade is Grade.POOR


@pytest.mark.parametrize(("one", "other"), [("V1", "V3"), ("V1", "V6"), ("V3", "V6"), ("V2", "V5")])
def test_chest_leads_out_of_order_are_suspected_by_name(clean: Leads, one: str, other: str) -> None:
    clean[one], clean[other] = clean[other], clean[one]
    suspected = only(assess_signal(as_signal(clean)), Defect.CHEST_ORDER)
    assert f"with {one} and {other} exchanged" in suspected.message


def test_the_order_of_chest_leads_is_judged_without_a_unit_too(clean: Leads) -> None:
    clean["V1"], clean["V6"] = clean["V6"], clean["V1"]
    scaled = {lead: values / values.std() for lead, values in clean.items()}
    assert found(assess_signal(as_signal(scaled, unit=Unit.STANDARDISED))) == {(Defect.CHEST_ORDER, "V1")}


def test_a_calibration_pulse_in_all_leads_is_said_and_not_taken_for_disagreement(clean: Leads) -> None:
    for values in clean.values():
        values[4700:4800] += 1.0
    quality = assess_signal(as_signal(clean))
    pulse = only(quality, Defect.CALIBRATION_PULSE)
    assert pulse.value == pytest.approx(4700 / RATE_HZ, abs=0.02)
    assert not any(defect is Defect.LEADS_DISAGREE for defect, _ in found(quality))


def test_assessing_changes_no_sample(clean: Leads) -> None:
    clean["V1"][:50] = np.nan
    signal = as_signal(clean)
    before = signal.values.copy()
    assess_signal(signal)
    np.testing.assert_array_equal(signal.values, before)


@pytest.mark.parametrize("samples", [1, 2, 9, 60, 400])
def test_the_shortest_signals_are_assessed_without_a_fault(samples: int) -> None:
    values = np.random.default_rng(2).normal(0, 0.1, (12, samples)).astype(np.float32)
    quality = assess_signal(Signal(values, STANDARD_LEADS, RATE_HZ))
    assert len(quality.leads) == 12
    values[:] = np.nan
    assert assess_signal(Signal(values, STANDARD_LEADS, RATE_HZ)).grade is Grade.UNUSABLE


def recording(*channels: Channel) -> Recording:
    return Recording(channels, Provenance("a", "0" * 64, "made", "1", "made"))


def test_a_recording_is_assessed_from_its_own_integers(clean: Leads) -> None:
    counts = {lead: np.round(values * 200 + 7).astype(np.int16) for lead, values in clean.items()}
    counts["V3"][:500] = -32768
    channels = [
        Channel(lead, values, RATE_HZ, "mV", gain=200.0, baseline=7.0, missing=values == -32768)
        for lead, values in counts.items()
    ]
    quality = assess(recording(*channels))
    assert quality is not None
    assert found(quality) == {(Defect.MISSING, "V3")}
    assert quality.leads[8].missing_fraction == pytest.approx(0.1)


def test_derived_leads_are_not_judged_and_a_recording_without_leads_has_no_quality(clean: Leads) -> None:
    channels = [Channel(lead, clean[lead], RATE_HZ, "mV", derived=lead == "III") for lead in ("I", "II", "III")]
    quality = assess(recording(*channels))
    assert quality is not None
    assert [lead.lead for lead in quality.leads] == ["I", "II"]
    assert assess(recording(Channel("RESP", clean["I"], RATE_HZ, "mV"))) is None
    assert assess(recording(Channel("I", clean["I"], RATE_HZ, "counts"))) is None


def test_leads_of_different_rate_are_assessed_one_by_one(clean: Leads) -> None:
    slow = leads(10, 250.0)["V1"]
    slow[:1250] = 0.0
    quality = assess(recording(Channel("II", clean["II"], RATE_HZ, "mV"), Channel("V1", slow, 250.0, "mV")))
    assert quality is not None
    assert [(lead.lead, lead.grade) for lead in quality.leads] == [("II", Grade.GOOD), ("V1", Grade.UNUSABLE)]


def test_quality_comes_back_from_json(clean: Leads) -> None:
    clean["V2"][1000:3000] = np.nan
    quality = assess_signal(as_signal(swapped_arms(clean)))
    assert Quality.from_json(quality.to_json()) == quality


def test_warnings_say_a_defect_of_several_leads_once(clean: Leads) -> None:
    for lead in ("V1", "V2", "V3"):
        clean[lead][:] = 0.0
    (remark,) = assess_signal(as_signal(clean)).remarks()
    assert (remark.code, remark.lead) == ("quality_flat_line", "V1")
    assert remark.message == "100% of the lead is a flat line. Also in V2, V3."


def test_an_assessment_costs_no_more_than_a_few_transforms_of_its_ecg() -> None:
    signal = as_signal(leads())
    assess_signal(signal)
    assessments, transforms = [], []
    for _ in range(30):
        start = time.process_time()
        assess_signal(signal)
        middle = time.process_time()
        np.fft.irfft(np.fft.rfft(signal.values))
        assessments.append(middle - start)
        transforms.append(time.process_time() - middle)
    assert min(assessments) < 8 * min(transforms)  # twice as much is usual; how long that is, the benchmark says
