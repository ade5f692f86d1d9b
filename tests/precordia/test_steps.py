"""The vocabulary of steps: complete parameters, round trips, refusals, and how people type them."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from precordia.errors import InvalidManifest, UnknownStep
from precordia.steps import STEP_KINDS, Step, parse_step


def test_defaults_are_filled_in() -> None:
    step = Step("band_pass", 1, {"low_hz": 0.5, "high_hz": 40})
    assert dict(step.parameters) == {"order": 4.0, "low_hz": 0.5, "high_hz": 40.0}
    assert step.number("high_hz") == 40.0


@pytest.mark.parametrize(
    ("typed", "name", "parameters"),
    [
        ("band-pass:0.5-40", "band_pass", {"low_hz": 0.5, "high_hz": 40.0, "order": 4.0}),
        ("band_pass:0.05-150", "band_pass", {"low_hz": 0.05, "high_hz": 150.0, "order": 4.0}),
        ("high-pass:0.5", "high_pass", {"cutoff_hz": 0.5, "order": 4.0}),
        ("low-pass:40", "low_pass", {"cutoff_hz": 40.0, "order": 4.0}),
        ("notch:50", "notch", {"frequency_hz": 50.0, "quality": 30.0}),
        ("z-score", "z_score", {"by": "lead"}),
        ("z-score:record", "z_score", {"by": "record"}),
        (" min_max ", "min_max", {"by": "lead", "low": 0.0, "high": 1.0}),
        ("median-baseline:0.2", "median_baseline", {"window_s": 0.2, "edges": "reflect"}),
        ("resample:100", "resample", {"rate_hz": 100.0}),
    ],
)
def test_steps_are_typed_as_people_do(typed: str, name: str, parameters: dict[str, object]) -> None:
    step = parse_step(typed)
    assert (step.name, dict(step.parameters)) == (name, parameters)


@pytest.mark.parametrize("typed", ["wavelet", "", "band pass", "__class__", "resample2:100"])
def test_an_unknown_step_is_refused_by_name(typed: str) -> None:
    with pytest.raises(UnknownStep, match="Known: band_pass"):
        parse_step(typed)


@pytest.mark.parametrize("typed", ["band-pass:0.5", "band-pass:0.5-40-3", "z-score:nobody", "notch:fifty", "notch:nan"])
def test_numbers_that_do_not_fit_a_step_are_refused(typed: str) -> None:
    with pytest.raises(InvalidManifest):
        parse_step(typed)


def test_another_version_of_a_known_step_is_unknown() -> None:
    with pytest.raises(UnknownStep):
        Step("z_score", 2)


@pytest.mark.parametrize(
    ("name", "parameters", "field"),
    [
        ("resample", {}, "resample.rate_hz"),
        ("resample", {"rate_hz": 100, "edges": "reflect"}, "resample.edges"),
        ("clip", {"low": float("inf"), "high": 1}, "clip.low"),
        ("clip", {"low": True, "high": 1}, "clip.low"),
        ("z_score", {"by": 3}, "z_score.by"),
    ],
)
def test_a_wrong_parameter_is_named(name: str, parameters: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidManifest) as refused:
        Step(name, 1, parameters)
    assert refused.value.field == field


numbers = st.floats(-1e6, 1e6, allow_nan=False)


@st.composite
def steps(draw: st.DrawFn) -> Step:
    kind = STEP_KINDS[draw(st.sampled_from(sorted(STEP_KINDS)))]
    optional = draw(st.sets(st.sampled_from(sorted(kind.optional) or ["-"])))
    names = [*kind.required, *(name for name in optional if name in kind.optional)]
    return Step(
        kind.name,
        kind.version,
        {name: draw(st.sampled_from(kind.choices[name])) if name in kind.choices else draw(numbers) for name in names},
    )


@given(steps())
def test_json_and_pickle_bring_a_step_back(step: Step) -> None:
    assert Step.from_json(step.to_json()) == step
    assert hash(Step.from_json(step.to_json())) == hash(step)
    assert pickle.loads(pickle.dumps(step)) == step


def test_steps_of_other_parameters_differ() -> None:
    assert parse_step("notch:50") != parse_step("notch:60")
    assert parse_step("notch:50") != "notch:50"


def test_a_number_beyond_all_floats_is_refused() -> None:
    with pytest.raises(InvalidManifest, match="finite"):
        Step("clip", 1, {"low": 0, "high": 10**400})
