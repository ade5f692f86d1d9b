"""Leads that a model may do without: zeros after conditioning, said; all other leads are refused as ever."""

import numpy as np
import pytest

from precordia.errors import MissingLead
from precordia.leads import STANDARD_LEADS
from precordia.manifest import InputSpec, Manifest, Output, Task
from precordia.record import Signal, Unit
from precordia.signal import Conditioned, condition, condition_batch, conditioner
from precordia.steps import Step, parse_step

BAND, TO_100, Z = parse_step("band-pass:0.5-40"), parse_step("resample:100"), parse_step("z-score")
UPWARDS = Step("min_max", 1, {"low": 1.0, "high": 2.0})
CHEST = STANDARD_LEADS[6:]


def _manifest(*steps: Step, optional: tuple[str, ...] = ("V1", "V2"), unit: Unit = Unit.MILLIVOLT) -> Manifest:
    spec = InputSpec("ecg", STANDARD_LEADS, 100.0, 10.0, unit, optional)
    return Manifest(spec, Task.MULTILABEL, (Output("NORM"),), steps)


def _ecg(duration_s: float = 10.0, seed: int = 3) -> Signal:
    walk = np.random.default_rng(seed).standard_normal((12, round(500 * duration_s)))
    return Signal((np.cumsum(walk, axis=1) * 0.02).astype(np.float32), STANDARD_LEADS, 500.0)


def _without(signal: Signal, *absent: str) -> Signal:
    kept = tuple(lead for lead in signal.leads if lead not in absent)
    return Signal(signal.values[[signal.leads.index(lead) for lead in kept]], kept, signal.sample_rate_hz)


def _unknown(signal: Signal, *absent: str) -> Signal:
    values = signal.values.copy()
    values[[signal.leads.index(lead) for lead in absent]] = np.nan
    return Signal(values, signal.leads, signal.sample_rate_hz)


def _said(conditioned: Conditioned) -> set[tuple[str, str]]:
    return {(remark.code, remark.lead) for remark in conditioned.remarks}


@pytest.mark.parametrize(
    "steps", [(), (BAND, TO_100, Z), (TO_100, UPWARDS), (Z, Step("clip", 1, {"low": 1, "high": 3}))]
)
@pytest.mark.parametrize("lacking", [_without, _unknown])
@pytest.mark.parametrize("duration_s", [4.0, 10.0, 25.0])
def test_the_row_of_a_lead_that_is_missing_is_zero_and_every_other_is_as_ever(
    steps: tuple[Step, ...], lacking: object, duration_s: float
) -> None:
    assert callable(lacking)
    manifest, whole = _manifest(*steps), _ecg(duration_s)
    expected = condition(whole, manifest)
    made = condition(lacking(whole, "V2"), manifest)
    zeroed = expected.x.copy()
    zeroed[:, STANDARD_LEADS.index("V2")] = 0.0
    np.testing.assert_array_equal(made.x, zeroed)
    assert _said(made) - _said(expected) == {("lead_missing", "V2")}
    assert (made.windows, made.applied) == (expected.windows, expected.applied)


def test_the_remark_says_what_the_model_was_given() -> None:
    (remark,) = condition(_without(_ecg(), "V1"), _manifest(TO_100, Z)).remarks
    assert remark.message == "Not recorded; the model was given zeros in its place, as it was trained to take."


def test_a_limb_lead_is_computed_where_it_can_be_and_silent_where_it_cannot() -> None:
    manifest, limbs = _manifest(TO_100, Z, optional=("III", "aVR", "aVL", "aVF")), ("III", "aVR", "aVL", "aVF")
    computed = condition(_without(_ecg(), *limbs), manifest)
    assert {code for code, _ in _said(computed)} == {"lead_derived"}
    assert np.abs(computed.x[0, 2:6]).max() > 1.0
    with pytest.raises(MissingLead) as refused:
        condition(_without(_ecg(), "II", *limbs), manifest)
    assert refused.value.details["leads"] == "II"


@pytest.mark.parametrize("lacking", [_without, _unknown])
def test_leads_that_are_not_optional_are_refused_and_they_alone_are_named(lacking: object) -> None:
    assert callable(lacking)
    with pytest.raises(MissingLead) as refused:
        condition(lacking(_ecg(), "V1", "V3", "V4"), _manifest(TO_100, Z))
    assert refused.value.details["leads"] == "V3,V4"


def test_a_model_without_optional_leads_refuses_as_ever() -> None:
    with pytest.raises(MissingLead):
        condition(_without(_ecg(), "V1"), _manifest(TO_100, Z, optional=()))


def test_records_of_one_batch_keep_to_themselves() -> None:
    manifest = _manifest(BAND, TO_100, Z)
    records = [_ecg(25.0, 1), _unknown(_ecg(25.0, 2), "V1"), _ecg(25.0, 3), _unknown(_ecg(25.0, 4), "V1", "V2")]
    values = np.stack([record.values for record in records])
    made = condition_batch(values, manifest, leads=STANDARD_LEADS, sample_rate_hz=500.0, unit=Unit.MILLIVOLT)
    alone = [condition(record, manifest) for record in records]
    np.testing.assert_array_equal(made.x, np.concatenate([one.x for one in alone]))
    by_record = made.x.reshape(4, made.windows, 12, 1000)
    silent = [[lead for lead, row in enumerate(one.swapaxes(0, 1)) if not row.any()] for one in by_record]
    assert silent == [[], [6], [], [6, 7]]


def test_a_flat_lead_beside_a_silent_one_is_still_said_to_be_flat() -> None:
    signal = _unknown(_ecg(), "V1")
    signal.values[STANDARD_LEADS.index("V5")] = 0.25
    made = condition(signal, _manifest(TO_100, Z))
    assert _said(made) == {("lead_missing", "V1"), ("lead_flat", "V5")}


def test_the_result_lies_where_the_caller_wants_it() -> None:
    room = np.full((2, 12, 1000), 7.0, np.float32)
    signal = _without(_ecg(), *CHEST[:2])
    ready = conditioner(_manifest(TO_100, Z), leads=signal.leads, sample_rate_hz=500.0, unit=signal.unit)
    assert ready.silent == ("V1", "V2")
    ready.run(signal.values, lambda shape: room[: shape[0]])
    assert not room[0, 6:8].any()
    assert (room[1] == 7.0).all()
