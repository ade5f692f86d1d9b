"""Long recordings, other leads, other units, co-inputs: scored as the contract says, by values, or refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from precordia.errors import ConditioningConflict, MissingLead, PrecordiaError
from precordia.leads import STANDARD_LEADS
from precordia.manifest import Aggregation, CoInput, LongPolicy, Manifest, Task, WindowPolicy
from precordia.record import Sex, Signal, Unit
from precordia.steps import Step
from services.inference.engine.onnx_runtime import OnnxRuntimeEngine
from services.inference.engine.providers import Device
from services.inference.scoring.scorer import Scorer
from services.inference.scoring.scores import EcgJob, Scored
from tests.services.inference.graphs import RATE_HZ, SAMPLES, contract, levels, linear_graph

ENGINE = OnnxRuntimeEngine(device=Device.CPU)
MEAN = linear_graph(np.full((12, 1), 1 / 12), np.zeros(1))


def scored(graph: bytes, manifest: Manifest, *jobs: EcgJob, rows: int = 2) -> list[Scored]:
    answers = Scorer(ENGINE.load(graph), manifest, max_rows=rows)(list(jobs))
    assert all(isinstance(answer, Scored) for answer in answers), answers
    return [answer for answer in answers if isinstance(answer, Scored)]


def refusal(graph: bytes, manifest: Manifest, job: EcgJob) -> PrecordiaError:
    (answer,) = Scorer(ENGINE.load(graph), manifest)([job])
    assert isinstance(answer, PrecordiaError)
    return answer


def staircase(*millivolts: float, each: int = SAMPLES) -> Signal:
    steps = np.repeat(np.array(millivolts, np.float32), each)
    return Signal(np.tile(steps, (12, 1)), STANDARD_LEADS, RATE_HZ, Unit.MILLIVOLT)


def over(policy: WindowPolicy) -> Manifest:
    return contract("level", task=Task.REGRESSION, windows=policy)


@pytest.mark.parametrize(
    ("policy", "windows", "expected"),
    [
        (WindowPolicy(), 3, (1 + 2 + 6) / 3),
        (WindowPolicy(aggregation=Aggregation.MAX), 3, 6),
        (WindowPolicy(LongPolicy.FIRST), 1, 1),
        # half overlap: 1, 1.5, 2, 4, 6
        (WindowPolicy(stride_s=1.0), 5, (1 + 1.5 + 2 + 4 + 6) / 5),
        (WindowPolicy(stride_s=1.0, aggregation=Aggregation.MAX), 5, 6),
    ],
)
def test_a_long_recording_is_scored_window_by_window(policy: WindowPolicy, windows: int, expected: float) -> None:
    (found,) = scored(MEAN, over(policy), EcgJob(staircase(1, 2, 6)))
    assert found.windows == windows
    assert found.values == pytest.approx([expected], abs=1e-5)


def test_windows_and_single_ecgs_beside_each_other_keep_their_own_scores() -> None:
    manifest = over(WindowPolicy(stride_s=1.0))
    jobs = [EcgJob(staircase(*heights)) for heights in ((1, 2, 6), (5,), (3, 4), (0, 0, 0, 8))]
    together = scored(MEAN, manifest, *jobs, rows=3)
    alone = [scored(MEAN, manifest, job)[0] for job in jobs]
    assert [one.windows for one in together] == [5, 1, 3, 7]
    for one, other in zip(together, alone, strict=True):
        assert one.values == pytest.approx(other.values, abs=1e-6)
        assert one.input_sha256 == other.input_sha256


def few(*leads: str) -> Manifest:
    manifest = contract("level", task=Task.REGRESSION)
    return replace(manifest, input=replace(manifest.input, leads=leads))


def test_a_model_of_fewer_leads_takes_its_own_from_twelve() -> None:
    weights = np.array([[100.0], [1.0]])
    signal = levels(*(0.1 * n for n in range(12)))
    (found,) = scored(linear_graph(weights, np.zeros(1)), few("V6", "II"), EcgJob(signal))
    assert found.values == pytest.approx([100 * 1.1 + 0.1], abs=1e-4)


def test_limb_leads_that_follow_from_others_are_computed_and_others_are_asked_for() -> None:
    weights = np.array([[1.0], [10.0], [100.0]])
    graph = linear_graph(weights, np.zeros(1))
    two = Signal(np.repeat(np.array([[0.4], [1.0]], np.float32), SAMPLES, axis=1), ("I", "II"), RATE_HZ)
    (found,) = scored(graph, few("III", "aVR", "aVF"), EcgJob(two))
    # Einthoven and Goldberger: III = II - I, aVR = -(I + II) / 2, aVF = II - I / 2
    assert found.values == pytest.approx([0.6 - 7.0 + 80.0], abs=1e-4)
    assert {remark.lead for remark in found.remarks if remark.code == "lead_derived"} == {"III", "aVR", "aVF"}
    refused = refusal(graph, few("III", "aVR", "V1"), EcgJob(two))
    assert isinstance(refused, MissingLead)
    assert "V1" in refused.message


def microvolts() -> Manifest:
    manifest = contract("level", task=Task.REGRESSION)
    return replace(manifest, input=replace(manifest.input, unit=Unit.MICROVOLT))


def test_a_model_in_microvolt_is_fed_microvolts_whatever_the_ecg_is_in() -> None:
    in_millivolt = levels(0.25)
    in_microvolt = replace(in_millivolt, values=in_millivolt.values * 1000, unit=Unit.MICROVOLT)
    both = scored(MEAN, microvolts(), EcgJob(in_millivolt), EcgJob(in_microvolt))
    assert [one.values[0] for one in both] == pytest.approx([250, 250], rel=1e-5)
    (plain,) = scored(MEAN, contract("level", task=Task.REGRESSION), EcgJob(in_microvolt))
    assert plain.values == pytest.approx([0.25], rel=1e-5)


def test_a_model_in_microvolt_conditions_as_it_says() -> None:
    """A clip at 100 uV, which in millivolt would change nothing."""
    clip = Step("clip", 1, {"low": -100.0, "high": 100.0})
    manifest = replace(microvolts(), steps=(*microvolts().steps, clip))
    (found,) = scored(MEAN, manifest, EcgJob(levels(*(0.05 if n % 2 else 0.4 for n in range(12)))))
    assert found.values == pytest.approx([(50 + 100) / 2], rel=1e-5)


def test_a_model_in_microvolt_refuses_what_has_no_volts() -> None:
    standardised = replace(levels(0.25), unit=Unit.STANDARDISED, applied=(Step("z_score"),))
    assert isinstance(refusal(MEAN, microvolts(), EcgJob(standardised)), ConditioningConflict)


PERSON = (
    CoInput("age_years", offset=60.37, scale=10.0, default=0.6037),
    CoInput("sex_female", default=0.4714),
    CoInput("sex_male", default=0.5286),
    CoInput("age_missing"),
    CoInput("sex_missing"),
)


@pytest.mark.parametrize(
    ("age", "sex", "expected", "missing"),
    [
        (70.37, Sex.MALE, 1.0 + 0 + 1 + 0 + 0, set()),
        (None, Sex.FEMALE, 0.6037 + 1 + 0 + 1 + 0, {"age_missing"}),
        (None, None, 0.6037 + 0.4714 + 0.5286 + 1 + 1, {"age_missing", "sex_missing"}),
    ],
)
def test_age_and_sex_come_with_flags_for_what_is_not_known_over_all_windows(
    age: float | None, sex: Sex | None, expected: float, missing: set[str]
) -> None:
    """The five co-inputs of DSAIL-SNU and their defaults."""
    graph = linear_graph(np.full((12, 1), 1 / 12), np.zeros(1), co_inputs=5)
    manifest = contract("level", task=Task.REGRESSION, co_inputs=PERSON)
    (found,) = scored(graph, manifest, EcgJob(staircase(1, 2, 6), age, sex))
    assert found.windows == 3
    assert found.values == pytest.approx([3 + expected], abs=1e-4)
    assert {remark.code for remark in found.remarks} - {"windows"} == missing


def test_a_rate_of_another_kind_is_resampled_to_the_models() -> None:
    manifest = contract(
        "level", task=Task.REGRESSION, steps=(Step("resample", 1, {"rate_hz": RATE_HZ}), *over(WindowPolicy()).steps)
    )
    fast = Signal(np.full((12, 1000), 0.3, np.float32), STANDARD_LEADS, 500.0)
    (found,) = scored(MEAN, manifest, EcgJob(fast))
    assert found.windows == 1
    assert found.values == pytest.approx([0.3], abs=1e-5)
