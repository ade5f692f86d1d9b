"""From signals to model inputs by the rules: leads, units, gaps, history, windows."""

from collections.abc import Sequence

import numpy as np
import pytest
import scipy.signal

from precordia.errors import ConditioningConflict, InvalidArgument, InvalidManifest, MissingLead
from precordia.leads import STANDARD_LEADS
from precordia.manifest import InputSpec, LongPolicy, Manifest, Output, Task, WindowPolicy
from precordia.record import Signal, Unit
from precordia.signal import Conditioned, condition, condition_batch, conditioner, resample
from precordia.steps import Step, parse_step

BAND = parse_step("band-pass:0.5-40")
TO_100 = parse_step("resample:100")
Z = parse_step("z-score")
CUT = Step("crop_or_pad", 1, {"duration_s": 2.0})


def _manifest(
    *steps: Step,
    leads: Sequence[str] = STANDARD_LEADS,
    rate_hz: float = 100.0,
    duration_s: float = 10.0,
    unit: Unit = Unit.MILLIVOLT,
    windows: WindowPolicy | None = None,
) -> Manifest:
    return Manifest(
        input=InputSpec("ecg", tuple(leads), rate_hz, duration_s, unit),
        task=Task.MULTILABEL,
        outputs=(Output("NORM"),),
        steps=steps,
        windows=windows or WindowPolicy(),
    )


def _walk(leads: int = 12, samples: int = 5000, seed: int = 5) -> np.ndarray:
    steps = np.random.default_rng(seed).standard_normal((leads, samples))
    return (np.cumsum(steps, axis=1) * 0.02).astype(np.float32)


def _signal(values: np.ndarray, rate_hz: float = 500.0, **more: object) -> Signal:
    leads = more.pop("leads", STANDARD_LEADS[: values.shape[0]])
    return Signal(values=values, leads=tuple(leads), sample_rate_hz=rate_hz, **more)


def _codes(conditioned: Conditioned) -> set[str]:
    return {remark.code for remark in conditioned.remarks}


def test_the_shipped_models_conditioning_equals_scipy_step_by_step() -> None:
    values = _walk()
    sections = scipy.signal.butter(4, [0.5, 40], "bandpass", fs=500, output="sos")
    expected = resample(scipy.signal.sosfiltfilt(sections, values.astype(np.float64)), from_hz=500, to_hz=100)
    expected = (expected - expected.mean(1, keepdims=True)) / expected.std(1, keepdims=True)
    result = condition(_signal(values), _manifest(BAND, TO_100, Z))
    assert result.x.shape == (1, 12, 1000)
    assert result.x.flags.c_contiguous
    np.testing.assert_allclose(result.x[0], expected, atol=5e-6)
    assert result.applied == (BAND, TO_100, Z)
    assert result.remarks == ()
    assert not result.mask.any()


def test_plain_scipy_resampling_is_used_where_the_manifest_names_it() -> None:
    values = _walk()
    result = condition(_signal(values), _manifest(Step("scipy.signal.resample", 1, {"rate_hz": 100})))
    np.testing.assert_allclose(result.x[0], scipy.signal.resample(values, 1000, axis=-1), atol=1e-5)


def test_steps_run_in_the_manifests_order() -> None:
    values = _walk()
    clip = Step("clip", 1, {"low": -0.5, "high": 0.5})
    first = condition(_signal(values), _manifest(clip, TO_100, Z)).x
    last = condition(_signal(values), _manifest(TO_100, Z, clip)).x
    assert np.abs(last).max() == 0.5
    assert np.abs(first).max() > 0.5


def test_leads_are_put_into_the_models_order() -> None:
    values = np.arange(12, dtype=np.float32)[:, None] * np.ones((1, 1000), np.float32)
    wanted = ("V6", "I", "aVR", "II")
    result = condition(_signal(values, 100.0), _manifest(leads=wanted))
    assert result.x[0, :, 0].tolist() == [11.0, 0.0, 3.0, 1.0]


def test_microvolts_are_made_where_the_model_takes_them() -> None:
    values = _walk(samples=1000)
    result = condition(_signal(values, 100.0), _manifest(unit=Unit.MICROVOLT))
    np.testing.assert_allclose(result.x[0], values * 1000, rtol=1e-6)
    back = condition(_signal(result.x[0], 100.0, unit=Unit.MICROVOLT), _manifest())
    np.testing.assert_allclose(back.x[0], values, rtol=1e-6)


def test_absent_limb_leads_are_derived_and_named() -> None:
    values = _walk(8, 1000)
    leads = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
    result = condition(_signal(values, 100.0, leads=leads), _manifest())
    one, two = values[0], values[1]
    np.testing.assert_allclose(result.x[0, 2:6], [two - one, -(one + two) / 2, one - two / 2, two - one / 2], atol=1e-6)
    assert {remark.lead for remark in result.remarks if remark.code == "lead_derived"} == {"III", "aVR", "aVL", "aVF"}


def test_a_lead_of_nothing_but_nan_counts_as_absent() -> None:
    values = _walk(samples=1000)
    values[2] = np.nan
    result = condition(_signal(values, 100.0), _manifest())
    np.testing.assert_allclose(result.x[0, 2], values[1] - values[0], atol=1e-6)
    values[7] = np.nan
    with pytest.raises(MissingLead) as refused:
        condition(_signal(values, 100.0), _manifest())
    assert refused.value.details["leads"] == "V2"


def test_a_chest_lead_that_is_not_there_is_named() -> None:
    with pytest.raises(MissingLead) as refused:
        condition(_signal(_walk(6, 1000), 100.0), _manifest())
    assert refused.value.details["leads"] == "V1,V2,V3,V4,V5,V6"


def test_limb_leads_are_not_derived_from_standardised_ones() -> None:
    signal = _signal(_walk(2, 1000), 100.0, unit=Unit.STANDARDISED, applied=(Z,))
    with pytest.raises(MissingLead, match="cannot be derived"):
        condition(signal, _manifest(Z, leads=("I", "II", "III")))


def test_training_records_at_the_models_grid_pass_bit_for_bit() -> None:
    counts = np.random.default_rng(6).integers(-4000, 4000, (12, 1000)).astype(np.int16)
    values = counts.astype(np.float32) * np.float32(0.001)
    signal = _signal(values, 100.0, unit=Unit.STANDARDISED, applied=(BAND, Z))
    result = condition(signal, _manifest(BAND, TO_100, Z))
    np.testing.assert_array_equal(result.x[0], values)
    assert result.remarks == ()
    assert result.applied == (BAND, Z)


def test_a_filter_that_left_less_than_the_model_asks_for_is_left_as_it_is_and_remarked() -> None:
    values = _walk(samples=1000)
    signal = _signal(values, 100.0, unit=Unit.STANDARDISED, applied=(parse_step("band-pass:0.67-35"), Z))
    result = condition(signal, _manifest(BAND, TO_100, Z))
    np.testing.assert_array_equal(result.x[0], values)
    assert _codes(result) == {"step_parameters_differ"}


def test_a_wider_filter_does_not_stand_in_for_the_models_own() -> None:
    values = _walk(samples=5000)
    plain = condition(_signal(values, 500.0), _manifest(BAND, TO_100, Z))
    wide = condition(_signal(values, 500.0, applied=(parse_step("band-pass:0.05-150"),)), _manifest(BAND, TO_100, Z))
    np.testing.assert_array_equal(wide.x, plain.x)
    assert "step_parameters_differ" in _codes(wide)


def test_a_step_that_the_model_does_not_know_of_is_remarked() -> None:
    signal = _signal(_walk(samples=1000), 100.0, applied=(parse_step("notch:50"),))
    assert _codes(condition(signal, _manifest(Z))) == {"step_not_in_model"}


def test_a_standardisation_is_renewed_where_an_earlier_step_was_still_to_do() -> None:
    raw = _walk()
    standardised = (raw - raw.mean(1, keepdims=True)) / raw.std(1, keepdims=True)
    manifest = _manifest(BAND, TO_100, Z)
    from_raw = condition(_signal(raw), manifest)
    from_standardised = condition(_signal(standardised, unit=Unit.STANDARDISED, applied=(Z,)), manifest)
    np.testing.assert_allclose(from_standardised.x, from_raw.x, atol=2e-5)
    assert _codes(from_standardised) == {"standardised_again"}


@pytest.mark.parametrize("applied", [(), (Z,)])
def test_a_standardised_signal_conflicts_with_a_model_that_needs_volts(applied: tuple[Step, ...]) -> None:
    signal = _signal(_walk(samples=1000), 100.0, unit=Unit.STANDARDISED, applied=applied)
    with pytest.raises(ConditioningConflict, match="original recording"):
        condition(signal, _manifest(BAND, TO_100))


@pytest.mark.parametrize("had", [parse_step("min-max"), parse_step("z-score:record")])
def test_another_standardisation_is_a_conflict(had: Step) -> None:
    signal = _signal(_walk(samples=1000), 100.0, unit=Unit.STANDARDISED, applied=(had,))
    with pytest.raises(ConditioningConflict):
        condition(signal, _manifest(Z))


def test_a_model_of_standardised_signals_takes_no_volts() -> None:
    with pytest.raises(ConditioningConflict):
        condition(_signal(_walk(samples=1000), 100.0), _manifest(unit=Unit.STANDARDISED))


def test_clipping_in_volts_conflicts_with_a_standardised_signal() -> None:
    signal = _signal(_walk(samples=1000), 100.0, unit=Unit.STANDARDISED, applied=(Z,))
    with pytest.raises(ConditioningConflict, match="clips before"):
        condition(signal, _manifest(Step("clip", 1, {"low": -1, "high": 1}), Z))


def test_a_leading_nan_leaves_the_rest_of_its_lead_alone() -> None:
    values = _walk()
    broken = values.copy()
    broken[4, 0] = np.nan
    manifest = _manifest(BAND, TO_100, Z)
    whole, mended = condition(_signal(values), manifest).x, condition(_signal(broken), manifest).x
    assert np.isfinite(mended).all()
    np.testing.assert_allclose(mended[0, 4, 50:], whole[0, 4, 50:], atol=0.02)
    np.testing.assert_array_equal(np.delete(mended, 4, axis=1), np.delete(whole, 4, axis=1))


def test_a_gap_of_40_ms_is_interpolated() -> None:
    values = np.zeros((1, 5000), np.float32) + np.linspace(0, 1, 5000, dtype=np.float32)
    broken = values.copy()
    broken[0, 1000:1020] = np.nan
    result = condition(_signal(broken, leads=("I",)), _manifest(rate_hz=500.0, leads=("I",)))
    np.testing.assert_allclose(result.x[0], values, atol=1e-6)
    assert _codes(result) == {"samples_missing"}


def test_a_longer_gap_is_neutral_in_the_end_and_counts_for_nothing() -> None:
    values = _walk(1, 1000)
    broken = values.copy()
    broken[0, 300:500] = np.nan
    result = condition(_signal(broken, 100.0, leads=("I",)), _manifest(Z, leads=("I",)))
    known = np.delete(values[0], np.s_[300:500]).astype(np.float64)
    expected = (known - known.mean()) / known.std()
    np.testing.assert_allclose(np.delete(result.x[0, 0], np.s_[300:500]), expected, atol=1e-5)
    assert result.x[0, 0, 300:500].tolist() == [0.0] * 200
    assert not result.mask.any()
    assert "20 %" in result.remarks[0].message


def test_a_gap_keeps_its_place_through_resampling() -> None:
    values = _walk(1, 5000)
    values[0, 1000:2000] = np.nan
    result = condition(_signal(values, leads=("I",)), _manifest(TO_100, leads=("I",)))
    zeros = np.flatnonzero(result.x[0, 0] == 0.0)
    np.testing.assert_array_equal(zeros, np.arange(200, 400))


def test_a_short_recording_is_padded_masked_and_disclosed() -> None:
    values = _walk(samples=800) + 3
    result = condition(_signal(values, 100.0), _manifest(Z))
    expected = (values - values.mean(1, keepdims=True)) / values.std(1, keepdims=True)
    np.testing.assert_allclose(result.x[0, :, :800], expected, atol=1e-5)
    assert not result.x[0, :, 800:].any()
    assert result.mask.tolist() == [[False] * 800 + [True] * 200]
    assert _codes(result) == {"padded"}


def test_padding_in_the_centre_stands_on_both_sides() -> None:
    values = _walk(samples=800)
    centre = Step("crop_or_pad", 1, {"duration_s": 10, "align": "center"})
    result = condition(_signal(values, 100.0), _manifest(centre))
    np.testing.assert_array_equal(result.x[0, :, 100:900], values)
    assert result.mask[0].sum() == 200
    assert result.mask[0, :100].all()


def test_a_long_recording_becomes_windows_that_reach_its_end() -> None:
    values = _walk(samples=2500)
    result = condition(_signal(values, 100.0), _manifest())
    assert result.windows == 3
    np.testing.assert_array_equal(result.x, np.stack([values[:, at : at + 1000] for at in (0, 1000, 1500)]))
    assert _codes(result) == {"windows"}


def test_windows_overlap_by_the_models_stride() -> None:
    values = _walk(samples=2000)
    result = condition(_signal(values, 100.0), _manifest(windows=WindowPolicy(stride_s=5.0)))
    np.testing.assert_array_equal(result.x, np.stack([values[:, at : at + 1000] for at in (0, 500, 1000)]))


@pytest.mark.parametrize("steps", [(Z,), (Step("crop_or_pad", 1, {"duration_s": 10}), Z)])
def test_each_window_is_standardised_by_itself(steps: tuple[Step, ...]) -> None:
    result = condition(_signal(_walk(samples=3000), 100.0), _manifest(*steps))
    np.testing.assert_allclose(result.x.mean(axis=2), 0, atol=1e-5)
    np.testing.assert_allclose(result.x.std(axis=2), 1, atol=1e-5)


def test_only_the_first_window_is_taken_where_the_model_says_so() -> None:
    values = _walk(samples=2500)
    result = condition(_signal(values, 100.0), _manifest(windows=WindowPolicy(LongPolicy.FIRST)))
    np.testing.assert_array_equal(result.x[0], values[:, :1000])
    assert result.windows == 1
    assert _codes(result) == {"cropped"}


def test_a_sample_too_many_starts_no_window() -> None:
    values = _walk(samples=1001)
    result = condition(_signal(values, 100.0), _manifest())
    np.testing.assert_array_equal(result.x, values[None, :, :1000])
    assert result.remarks == ()


def test_a_model_without_resample_step_still_gets_its_rate() -> None:
    values = _walk()
    result = condition(_signal(values), _manifest(Z))
    spaced = resample(values, from_hz=500, to_hz=100).astype(np.float64)
    expected = (spaced - spaced.mean(1, keepdims=True)) / spaced.std(1, keepdims=True)
    np.testing.assert_allclose(result.x[0], expected, atol=1e-5)


def test_a_filter_before_resampling_runs_at_the_recordings_own_rate() -> None:
    values = _walk(samples=2500)
    sections = scipy.signal.butter(4, [0.5, 40], "bandpass", fs=250, output="sos")
    expected = resample(scipy.signal.sosfiltfilt(sections, values.astype(np.float64)), from_hz=250, to_hz=100)
    result = condition(_signal(values, 250.0), _manifest(BAND, TO_100))
    np.testing.assert_allclose(result.x[0], expected, atol=1e-5)


def test_an_edge_beyond_the_recording_is_remarked() -> None:
    wide = _manifest(parse_step("band-pass:0.5-150"), TO_100)
    assert _codes(condition(_signal(_walk(samples=2500), 250.0), wide)) == {"filter_edge_beyond_signal"}
    low = _manifest(Step("low_pass", 1, {"cutoff_hz": 60}))
    assert _codes(condition(_signal(_walk(samples=1000), 100.0), low)) == {"filter_not_needed"}


def test_median_baseline_and_min_max_run() -> None:
    values = _walk(samples=1000)
    result = condition(_signal(values, 100.0), _manifest(parse_step("median-baseline:0.2"), parse_step("min-max")))
    np.testing.assert_allclose(result.x.min(axis=2), 0, atol=1e-6)
    np.testing.assert_allclose(result.x.max(axis=2), 1, atol=1e-6)


def test_a_flat_lead_is_zero_and_remarked() -> None:
    values = _walk(samples=5000)
    values[9] = 1.5
    result = condition(_signal(values), _manifest(BAND, TO_100, Z))
    assert not result.x[0, 9].any()
    assert [(remark.code, remark.lead) for remark in result.remarks] == [("lead_flat", "V4")]


def test_a_batch_equals_its_records_one_by_one() -> None:
    batch = np.stack([_walk(samples=12500, seed=seed) for seed in range(5)])
    manifest = _manifest(BAND, TO_100, Z)
    together = condition_batch(batch, manifest, leads=STANDARD_LEADS, sample_rate_hz=500.0, unit=Unit.MILLIVOLT)
    apart = np.concatenate([condition(_signal(values), manifest).x for values in batch])
    assert together.windows == 3
    np.testing.assert_array_equal(together.x, apart)


def test_a_conditioner_is_made_once_for_signals_of_one_kind() -> None:
    first, again = (
        conditioner(_manifest(BAND, TO_100, Z), leads=STANDARD_LEADS, sample_rate_hz=500, unit=Unit.MILLIVOLT)
        for _ in range(2)
    )
    assert first is again


def test_the_callers_samples_are_left_alone() -> None:
    values = _walk()
    values[0, 10:400] = np.nan
    before = values.copy()
    condition(_signal(values), _manifest(BAND, TO_100, Z))
    np.testing.assert_array_equal(values, before)


@pytest.mark.parametrize("shape", [(11, 1000), (12, 0)])
def test_a_shape_that_does_not_fit_is_refused(shape: tuple[int, int]) -> None:
    ready = conditioner(_manifest(Z), leads=STANDARD_LEADS, sample_rate_hz=100, unit=Unit.MILLIVOLT)
    with pytest.raises(InvalidArgument):
        ready.run(np.zeros(shape, np.float32))


@pytest.mark.parametrize(
    "steps", [(parse_step("resample:250"),), (Step("crop_or_pad", 1, {"duration_s": 8}),), (parse_step("resample:-1"),)]
)
def test_steps_that_do_not_lead_to_the_input_are_refused(steps: tuple[Step, ...]) -> None:
    with pytest.raises(InvalidManifest):
        condition(_signal(_walk()), _manifest(*steps))


def test_an_impossible_rate_is_refused() -> None:
    with pytest.raises(InvalidArgument):
        condition(_signal(_walk(), 0.0), _manifest(Z))


def test_the_result_lies_where_the_caller_wants_it() -> None:
    values = _walk(samples=11500)
    values[2, 300:400] = np.nan
    ready = conditioner(
        _manifest(BAND, TO_100, Z, windows=WindowPolicy(LongPolicy.WINDOWS)),
        leads=STANDARD_LEADS,
        sample_rate_hz=500.0,
        unit=Unit.MILLIVOLT,
    )
    batch = np.full((5, 12, 1000), np.nan, np.float32)
    placed = ready.run(values, lambda shape: batch[1 : 1 + shape[0]])
    alone = ready.run(values)
    assert placed.windows == 3
    assert np.shares_memory(placed.x, batch)
    np.testing.assert_array_equal(batch[1:4], alone.x)
    assert np.isnan(batch[[0, 4]]).all()
    assert (placed.remarks, placed.applied) == (alone.remarks, alone.applied)


@pytest.mark.parametrize("scaling", ["z-score", "min-max"])
def test_what_is_scaled_before_it_is_cut_says_which_lead_is_flat(scaling: str) -> None:
    values = _walk(3, 5000)
    values[1] = 0.3
    manifest = _manifest(TO_100, parse_step(scaling), CUT, leads=("I", "II", "V1"), duration_s=2.0)
    made = condition(Signal(values, ("I", "II", "V1"), 500.0), manifest)
    assert made.x.shape == (5, 3, 200)
    assert [(remark.code, remark.lead) for remark in made.remarks] == [("windows", ""), ("lead_flat", "II")]


@pytest.mark.parametrize("steps", [(), (TO_100,), (TO_100, Z), (TO_100, Z, CUT), (TO_100, CUT, Z)], ids=str)
def test_a_missing_sample_of_one_record_does_not_disturb_its_batch(steps: tuple[Step, ...]) -> None:
    batch = np.stack([_walk(2, 1000, seed) for seed in range(3)])
    batch[0, 0, 10:40] = np.nan
    rate_hz = 500.0 if steps else 100.0
    duration_s = 2.0 if steps else 10.0
    manifest = _manifest(*steps, leads=("I", "II"), duration_s=duration_s)
    made = condition_batch(batch, manifest, leads=("I", "II"), sample_rate_hz=rate_hz, unit=Unit.MILLIVOLT)
    for number, values in enumerate(batch):
        alone = condition(Signal(values, ("I", "II"), rate_hz), manifest)
        np.testing.assert_array_equal(made.x[number], alone.x[0])


def test_the_silent_lead_of_one_record_is_not_that_of_another() -> None:
    spec = InputSpec("ecg", ("I", "V1"), 100.0, 2.0, optional_leads=("V1",))
    manifest = Manifest(spec, Task.MULTILABEL, (Output("NORM"),), (TO_100, Z, CUT))
    batch = np.stack([_walk(2, 2000, seed) for seed in range(2)])
    batch[1, 1] = np.nan
    made = condition_batch(batch, manifest, leads=("I", "V1"), sample_rate_hz=500.0, unit=Unit.MILLIVOLT)
    assert made.x.shape == (4, 2, 200)
    assert not made.x[2:, 1].any()
    for number in range(2):
        alone = condition(Signal(batch[number], ("I", "V1"), 500.0), manifest)
        np.testing.assert_array_equal(made.x[2 * number : 2 * number + 2], alone.x)
