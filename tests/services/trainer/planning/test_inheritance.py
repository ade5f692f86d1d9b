from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from precordia.errors import InvalidTrainingSpec
from precordia.leads import STANDARD_LEADS
from precordia.manifest import CoInputs, InputSpec, LongPolicy, Task, WindowPolicy
from precordia.models.networks import AGE_AND_SEX
from precordia.record import Unit
from precordia.steps import Step
from precordia.training import Method
from services.trainer.planning.bases import PinnedBase
from services.trainer.planning.plan import Plan, make_plan
from tests.services.trainer import synthetic
from tests.services.trainer.made_bases import CONTRACT

STEPS = (
    Step("resample", 1, {"rate_hz": 100.0}),
    Step("band_pass", 1, {"low_hz": 0.5, "high_hz": 40.0}),
    Step("crop_or_pad", 1, {"duration_s": 10.0}),
)
TWELVE = replace(
    CONTRACT, input=InputSpec("arg0", STANDARD_LEADS, 100.0, 10.0, Unit.MICROVOLT), steps=STEPS, co_inputs=AGE_AND_SEX
)
NATIVE = PinnedBase("base", 3, "d" * 64, "DSAIL-SNU", {"weights.safetensors": "a" * 64}, TWELVE)
GRAPH = replace(NATIVE, network="", files={"model.onnx": "b" * 64})


def planned(base: PinnedBase, method: Method = Method.ALL, **changes: Any) -> tuple[Plan, tuple[str, ...]]:
    records = {"train": synthetic.snapshot(synthetic.records(8))}
    spec = synthetic.spec(**{"method": method, "label_group": "shape", "overrides": {}, **changes})
    return make_plan(spec, records, base=base, rate_hz=50, duration_s=4, threads=1)


def test_the_contract_is_the_bases() -> None:
    windows = WindowPolicy(LongPolicy.FIRST)
    plan, _ = planned(replace(NATIVE, contract=replace(TWELVE, windows=windows)))
    made = plan.manifest(Task.MULTILABEL)
    assert made.input == replace(TWELVE.input, name="ecg")
    assert (made.steps, made.co_inputs, made.windows) == (STEPS, AGE_AND_SEX, windows)
    assert [(output.name, output.code) for output in made.outputs] == [("FAST", ""), ("WIDE", "27885002")]
    assert (plan.recipe.name, plan.method, plan.trainable) == ("fine_tune", Method.ALL, ())
    assert planned(NATIVE, Method.HEAD)[0].trainable == ("head.",)


def test_a_plan_with_a_base_survives_json() -> None:
    plan, _ = planned(NATIVE)
    assert Plan.from_json(plan.to_json()) == plan
    assert Plan.from_json(plan.to_json()).digest() == plan.digest()
    assert planned(replace(NATIVE, digest="e" * 64))[0].digest() != plan.digest()


def test_another_grid_is_given_to_a_native_base_and_told() -> None:
    plan, told = planned(NATIVE, sample_rate_hz=50.0, duration_s=5.0)
    assert plan.input.samples == 250
    assert plan.steps[0].number("rate_hz") == 50.0
    assert plan.steps[1].number("high_hz") == 20.0
    assert plan.steps[2].number("duration_s") == 5.0
    assert "The base learnt at 100 Hz; at 50 Hz its filters span another time, so all layers should learn." in told
    assert "The base learnt from 10 s; this model takes 5 s." in told


def test_a_graph_keeps_its_number_of_samples() -> None:
    plan, _ = planned(GRAPH, sample_rate_hz=200.0, duration_s=5.0)
    assert plan.input.samples == 1000
    with pytest.raises(InvalidTrainingSpec, match=r"1000 samples a lead.*250 Hz are 2500") as refused:
        planned(GRAPH, sample_rate_hz=250.0)
    assert refused.value.field == "sample_rate_hz"


def test_leads_that_the_bases_follow_from_suffice() -> None:
    eight = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
    plan, told = planned(NATIVE, leads=eight)
    assert plan.input.leads == STANDARD_LEADS
    assert any("III, aVR, aVL, aVF are computed from the others" in sentence for sentence in told)
    with pytest.raises(InvalidTrainingSpec, match=r"The base takes 12 leads .*without V6 it cannot be fine-tuned"):
        planned(NATIVE, leads=eight[:-1])


def test_settings_suit_what_is_trained() -> None:
    native, told = planned(NATIVE)
    assert native.recipe.crop_s == 5.0
    assert (native.recipe.noise, native.recipe.wander) == (100.0, 200.0)
    assert any("microvolts" in sentence for sentence in told)
    graph, told = planned(GRAPH)
    assert graph.recipe.crop_s == 0.0
    assert any("whole signals only" in sentence for sentence in told)
    standardised = replace(GRAPH, contract=replace(TWELVE, steps=(*STEPS, Step("z_score"))))
    assert planned(standardised)[0].recipe.noise == 0.1


def test_from_scratch_a_models_architecture_and_input_are_taken_and_its_weights_not() -> None:
    plan, told = planned(NATIVE, Method.SCRATCH, leads=("V1",))
    assert (plan.network, plan.method, plan.base) == ("DSAIL-SNU", Method.SCRATCH, None)
    assert (plan.input.leads, plan.input.rate_hz, plan.recipe.name) == (("V1",), 100.0, "default")
    assert told[0] == "DSAIL-SNU as in base:3, with fresh weights."
    with pytest.raises(InvalidTrainingSpec, match="no network here"):
        planned(GRAPH, Method.SCRATCH)


def test_a_network_without_weights_learns_all_or_not_at_all() -> None:
    records = {"train": synthetic.snapshot(synthetic.records(8))}
    open_spec = synthetic.spec(method=Method.ALL, label_group="shape")
    plan, told = make_plan(open_spec, records, rate_hz=50, duration_s=4, threads=1)
    assert (plan.method, plan.base) == (Method.SCRATCH, None)
    assert "without trained weights" in told[0]


def test_one_lead_at_any_rate_from_scratch() -> None:
    records = {"train": synthetic.snapshot(synthetic.records(8))}
    spec = synthetic.spec(leads=("II",), sample_rate_hz=333.0, duration_s=2.5)
    plan, _ = make_plan(spec, records, rate_hz=50, duration_s=4, threads=1)
    assert (plan.input.leads, plan.input.rate_hz, plan.input.samples) == (("II",), 333.0, 832)


def test_unlike_co_inputs_are_the_bases() -> None:
    other = CoInputs("sex", AGE_AND_SEX.columns[1:2])
    plan, _ = planned(replace(NATIVE, contract=replace(TWELVE, co_inputs=other)))
    assert plan.co_inputs == other
