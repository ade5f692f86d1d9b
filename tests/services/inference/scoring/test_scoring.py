from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from precordia.errors import (
    FailedPrecondition,
    InvalidInput,
    InvalidModel,
    MissingDependency,
    MissingLead,
    PrecordiaError,
    TooLarge,
)
from precordia.leads import STANDARD_LEADS
from precordia.manifest import Activation, Aggregation, CoInput, Manifest, Task, WindowPolicy
from precordia.record import Sex, Signal
from precordia.signal import condition
from precordia.steps import Step
from services.inference.engine.onnx_runtime import OnnxRuntimeEngine
from services.inference.engine.providers import Device
from services.inference.scoring.scorer import Scorer
from services.inference.scoring.scores import EcgJob, Scored, activate, aggregate
from tests.services.inference.graphs import CROP, SAMPLES, bias_graph, contract, levels, linear_graph

ENGINE = OnnxRuntimeEngine(device=Device.CPU)


def scorer(graph: bytes, manifest: Manifest, rows: int = 1) -> Scorer:
    return Scorer(ENGINE.load(graph), manifest, max_rows=rows)


def only(results: list[Scored | PrecordiaError]) -> Scored:
    (result,) = results
    assert isinstance(result, Scored), result
    return result


def test_scores_are_what_the_graph_gives_for_the_conditioned_leads() -> None:
    weights = np.zeros((12, 2))
    weights[STANDARD_LEADS.index("II"), 0] = 2.0
    weights[STANDARD_LEADS.index("V6"), 1] = -1.0
    score = scorer(linear_graph(weights, np.array([0.5, 0.0])), contract("a", "b"))
    signal = levels(*(0.1 * n for n in range(12)))
    assert only(score([EcgJob(signal)])).values == pytest.approx([2 * 0.1 + 0.5, -1.1], abs=1e-6)


def test_the_input_hash_is_that_of_the_conditioned_float32_bytes() -> None:
    manifest = contract("a")
    signal = levels(0.7)
    scored = only(scorer(bias_graph(0.0), manifest)([EcgJob(signal)]))
    assert scored.input_sha256 == hashlib.sha256(condition(signal, manifest).x.tobytes()).hexdigest()


def test_a_batch_gives_what_single_runs_give() -> None:
    draw = np.random.default_rng(7)
    graph, manifest = linear_graph(draw.normal(size=(12, 3)), draw.normal(size=3)), contract("a", "b", "c")
    jobs = [EcgJob(levels(*draw.normal(size=12), samples=int(n))) for n in draw.integers(50, 900, size=9)]
    alone = [only(scorer(graph, manifest)([job])) for job in jobs]
    together = scorer(graph, manifest, rows=4)(jobs)
    for one, other in zip(alone, together, strict=True):
        assert isinstance(other, Scored)
        assert other.values == pytest.approx(one.values, abs=1e-6)
        assert (other.windows, other.input_sha256) == (one.windows, one.input_sha256)


def test_an_ecg_that_cannot_be_conditioned_fails_alone() -> None:
    score = scorer(bias_graph(1.0), contract("a"), rows=4)
    limb_only = Signal(np.zeros((2, SAMPLES), np.float32), ("I", "II"), 100.0)
    first, second, third = score([EcgJob(levels(1.0)), EcgJob(limb_only), EcgJob(levels(2.0))])
    assert isinstance(first, Scored)
    assert isinstance(third, Scored)
    assert isinstance(second, MissingLead)


def test_without_an_optional_lead_the_scores_are_those_of_its_conditioned_row_zeroed() -> None:
    draw = np.random.default_rng(11)
    weights = draw.normal(size=(12, 2))
    silenced = weights.copy()
    silenced[STANDARD_LEADS.index("V3")] = 0.0
    base = contract("a", "b", steps=(CROP, Step("clip", 1, {"low": 0.5, "high": 2.0})))
    manifest = replace(base, input=replace(base.input, optional_leads=("V3", "V4")))
    whole = levels(*draw.uniform(0.6, 1.5, size=12))
    lacking = Signal(whole.values.copy(), whole.leads, whole.sample_rate_hz)
    lacking.values[STANDARD_LEADS.index("V3")] = np.nan
    first, second, third = scorer(linear_graph(weights, np.zeros(2)), manifest, rows=4)(
        [EcgJob(whole), EcgJob(lacking), EcgJob(whole)]
    )
    assert isinstance(second, Scored)
    assert second.values == pytest.approx(
        only(scorer(linear_graph(silenced, np.zeros(2)), base)([EcgJob(whole)])).values
    )
    assert [(remark.code, remark.lead) for remark in second.remarks] == [("lead_missing", "V3")]
    x = condition(whole, base).x.copy()
    x[:, STANDARD_LEADS.index("V3")] = 0.0
    assert second.input_sha256 == hashlib.sha256(x.tobytes()).hexdigest()
    for mate in (first, third):
        assert isinstance(mate, Scored)
        assert mate.values == pytest.approx(
            only(scorer(linear_graph(weights, np.zeros(2)), base)([EcgJob(whole)])).values
        )
        assert mate.remarks == ()


def test_an_ecg_whose_recorded_leads_are_all_flat_is_not_scored_for_want_of_the_others() -> None:
    base = contract("a", steps=(CROP, Step("min_max", 1, {"low": -1.0, "high": 1.0})))
    manifest = replace(base, input=replace(base.input, optional_leads=STANDARD_LEADS[6:]))
    limbs = Signal(np.full((6, SAMPLES), 0.3, np.float32), STANDARD_LEADS[:6], 100.0)
    (refused,) = scorer(bias_graph(1.0), manifest)([EcgJob(limbs)])
    assert isinstance(refused, InvalidInput)
    limbs.values[0, ::2] = 0.0
    assert only(scorer(bias_graph(1.0), manifest)([EcgJob(limbs)])).values == pytest.approx([1.0])


def test_a_number_that_is_not_finite_is_no_score() -> None:
    (result,) = scorer(bias_graph(float("nan")), contract("a"))([EcgJob(levels(1.0))])
    assert isinstance(result, InvalidModel)


@pytest.mark.parametrize(("aggregation", "expected"), [(Aggregation.MEAN, 2.0), (Aggregation.MAX, 3.0)])
def test_windows_of_a_long_recording_are_aggregated(aggregation: Aggregation, expected: float) -> None:
    manifest = contract("a", task=Task.REGRESSION, windows=WindowPolicy(aggregation=aggregation))
    steps = np.repeat(np.array([1.0, 2.0, 3.0], np.float32), SAMPLES)
    signal = Signal(np.tile(steps, (12, 1)), STANDARD_LEADS, 100.0)
    scored = only(scorer(linear_graph(np.full((12, 1), 1 / 12), np.zeros(1)), manifest)([EcgJob(signal)]))
    assert scored.windows == 3
    assert scored.values == pytest.approx([expected], abs=1e-6)
    assert "windows" in {remark.code for remark in scored.remarks}


AGE_AND_SEX = (
    CoInput("age_years", offset=50.0, scale=10.0, default=-7.0),
    CoInput("age_missing"),
    CoInput("sex_female", default=0.25),
    CoInput("sex_missing", scale=0.1),
)


@pytest.mark.parametrize(
    ("age", "sex", "expected", "remarks"),
    [
        (70.0, Sex.FEMALE, 2.0 + 0 + 1 + 0, set()),
        (70.0, Sex.MALE, 2.0 + 0 + 0 + 0, set()),
        (None, Sex.MALE, -7.0 + 1 + 0 + 0, {"age_missing"}),
        (40.0, None, -1.0 + 0 + 0.25 + 10, {"sex_missing"}),
    ],
)
def test_co_inputs_carry_values_defaults_and_missing_flags(
    age: float | None, sex: Sex | None, expected: float, remarks: set[str]
) -> None:
    graph = linear_graph(np.zeros((12, 1)), np.zeros(1), co_inputs=4)
    score = scorer(graph, contract("a", task=Task.REGRESSION, co_inputs=AGE_AND_SEX))
    scored = only(score([EcgJob(levels(0.3), age, sex)]))
    assert scored.values == pytest.approx([expected], abs=1e-5)
    assert {remark.code for remark in scored.remarks} == remarks


def test_co_inputs_stay_with_their_ecg_in_a_batch_with_windows() -> None:
    graph = linear_graph(np.zeros((12, 1)), np.zeros(1), co_inputs=1)
    score = scorer(graph, contract("a", task=Task.REGRESSION, co_inputs=(CoInput("age_years"),)), rows=2)
    jobs = [EcgJob(levels(0.1, samples=n * SAMPLES), float(10 * n)) for n in (1, 3, 2)]
    results = score(jobs)
    assert [result.values[0] for result in results if isinstance(result, Scored)] == [10.0, 30.0, 20.0]


def test_temperature_softens_before_the_activation() -> None:
    manifest = contract("a", "b", task=Task.MULTICLASS, activation=Activation.SOFTMAX)
    scored = only(scorer(bias_graph(2.0, 0.0), manifest)([EcgJob(levels(0.0), temperature=2.0)]))
    assert scored.values == pytest.approx([np.e / (1 + np.e), 1 / (1 + np.e)])


def test_activations_hold_at_the_ends_of_the_number_line() -> None:
    raw = np.array([[1e4, -1e4, 0.0]])
    assert activate(raw, Activation.SIGMOID).tolist() == [[1.0, 0.0, 0.5]]
    assert activate(raw, Activation.SOFTMAX).tolist() == [[1.0, 0.0, 0.0]]
    assert activate(raw, Activation.NONE) is raw
    assert aggregate(np.array([[1.0, 5.0], [3.0, 1.0]]), Aggregation.MAX).tolist() == [3.0, 5.0]


@pytest.mark.parametrize(
    "manifest",
    [
        contract("a", "b"),
        contract("a", co_inputs=(CoInput("age_years"),)),
    ],
)
def test_a_manifest_that_does_not_fit_its_graph_is_refused(manifest: Manifest) -> None:
    with pytest.raises(InvalidModel):
        scorer(bias_graph(0.0), manifest).rehearse(1)


def test_a_graph_of_another_length_is_refused() -> None:
    with pytest.raises(InvalidModel, match="shape"):
        scorer(linear_graph(np.zeros((12, 1)), np.zeros(1), samples=999), contract("a"))


@pytest.mark.parametrize("graph", [b"", b"not a graph", bias_graph(0.0)[:60], b"\x00" * 1000])
def test_a_broken_graph_is_a_typed_error(graph: bytes) -> None:
    with pytest.raises(InvalidModel):
        ENGINE.load(graph)


def test_the_providers_reported_are_those_in_use() -> None:
    assert ENGINE.load(bias_graph(0.0)).providers == ("CPUExecutionProvider",)


def test_cuda_that_is_not_there_is_refused_unless_fallback_is_allowed() -> None:
    with pytest.raises((MissingDependency, FailedPrecondition)):
        OnnxRuntimeEngine(device=Device.CUDA).load(bias_graph(0.0))
    fallback = OnnxRuntimeEngine(device=Device.CUDA, allow_fallback=True).load(bias_graph(0.0))
    assert fallback.providers[-1] == "CPUExecutionProvider"


def test_an_ecg_of_hours_is_refused_and_those_beside_it_are_scored() -> None:
    score = scorer(bias_graph(0.5), contract("a"), rows=2)
    hours = Signal(np.zeros((12, 3601), np.float32), STANDARD_LEADS, 1.0)
    refused, scored = score([EcgJob(hours), EcgJob(levels(0.0))])
    assert isinstance(refused, TooLarge)
    assert only([scored]).values == pytest.approx([0.5])


def test_an_ecg_that_is_flat_in_every_lead_is_not_scored() -> None:
    score = scorer(bias_graph(0.5), contract("a", steps=(CROP, Step("z_score"))))
    (flat,) = score([EcgJob(levels(1.0))])
    assert isinstance(flat, InvalidInput)
    beating = levels(1.0)
    beating.values[0, ::10] += 0.5
    assert only(score([EcgJob(beating)])).values == pytest.approx([0.5])
