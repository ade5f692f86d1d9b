from dataclasses import replace
from typing import Any

import pytest

from precordia.dataset import SplitRef
from precordia.errors import InvalidTrainingSpec, NetworkNotFound, PrecordiaError
from precordia.manifest import Task
from precordia.steps import Step
from precordia.training import Method
from services.trainer.planning.plan import Plan, make_plan
from services.trainer.planning.spec_json import TrainingRequest
from tests.services.trainer import synthetic

RECORDS = synthetic.records(8)


def planned(**changes: Any) -> tuple[Plan, tuple[str, ...]]:
    spec = synthetic.spec(**changes)
    roles = {role: synthetic.snapshot(RECORDS) for role in ("train", "validation", "test") if getattr(spec, role)}
    return make_plan(spec, roles, rate_hz=100, duration_s=10, threads=2)


def test_open_choices_are_filled_in_and_told() -> None:
    plan, told = planned(threads=None)
    assert (plan.label_group, plan.labels) == ("shape", ("FAST", "WIDE"))
    assert told == ("Learning the label group 'shape', the dataset's first of 2.",)
    assert (plan.input.rate_hz, plan.input.duration_s, plan.threads) == (100, 10, 2)
    assert [step.name for step in plan.steps] == ["band_pass", "resample", "crop_or_pad", "z_score"]
    assert plan.auxiliary == {"speed": ("QUICK", "SLOW")}
    assert plan.splits["train"].snapshot_id == "snap-1"


def test_what_is_asked_for_stands() -> None:
    plan, told = planned(
        label_group="speed",
        labels=("SLOW", "QUICK"),
        sample_rate_hz=50.0,
        duration_s=5.0,
        leads=("V1", "II"),
        conditioning=(Step("z_score"),),
        max_epochs=7,
        test=SplitRef("made", "late"),
        task=Task.MULTICLASS,
    )
    assert told == ()
    assert plan.labels == ("SLOW", "QUICK")
    assert plan.input.leads == ("V1", "II")
    assert plan.input.samples == 250
    assert plan.recipe.max_epochs == 7
    assert plan.splits["test"].ref == SplitRef("made", "late", "snap-1")


def test_a_plan_survives_json_with_its_digest() -> None:
    plan, _ = planned(task=Task.MULTILABEL, test=SplitRef("made", "late"))
    assert Plan.from_json(plan.to_json()) == plan
    assert Plan.from_json(plan.to_json()).digest() == plan.digest()
    assert planned(seed=4)[0].digest() != planned()[0].digest()


def test_a_band_above_half_the_rate_is_lowered() -> None:
    plan, _ = planned(sample_rate_hz=50.0)
    assert plan.steps[0].number("high_hz") == 20.0


@pytest.mark.parametrize(
    ("changes", "error", "field"),
    [
        ({"base": "ResNet"}, NetworkNotFound, ""),
        ({"method": Method.HEAD}, InvalidTrainingSpec, "method"),
        ({"recipe": "magic"}, InvalidTrainingSpec, "recipe"),
        ({"label_group": "colour"}, InvalidTrainingSpec, "label_group"),
        ({"labels": ("FAST", "TALL")}, InvalidTrainingSpec, "labels"),
        ({"labels": ("FAST", "FAST")}, InvalidTrainingSpec, "labels"),
        ({"task": Task.REGRESSION}, InvalidTrainingSpec, "labels"),
        ({"sample_rate_hz": 1.0}, InvalidTrainingSpec, "sample_rate_hz"),
        ({"duration_s": 0.1}, InvalidTrainingSpec, "duration_s"),
        ({"threads": 0}, InvalidTrainingSpec, "threads"),
        ({"seed": 1 << 32}, InvalidTrainingSpec, "seed"),
        ({"overrides": {"mixup": "much"}}, InvalidTrainingSpec, "mixup"),
    ],
)
def test_what_cannot_be_carried_out_is_refused_by_field(
    changes: dict[str, Any], error: type[PrecordiaError], field: str
) -> None:
    spec = replace(synthetic.spec(), **changes)
    with pytest.raises(error) as caught:
        make_plan(spec, {"train": synthetic.snapshot(RECORDS)}, rate_hz=100, duration_s=10, threads=1)
    assert caught.value.field == field


def test_a_request_survives_json() -> None:
    request = TrainingRequest(
        "name",
        synthetic.spec(
            validation=SplitRef("made", "middle"),
            labels=("FAST",),
            leads=("II",),
            conditioning=(Step("z_score"),),
            task=Task.MULTICLASS,
            max_learning_rate=0.01,
        ),
        ("best",),
    )
    assert TrainingRequest.from_json(request.to_json()) == request


def test_a_published_input_is_the_default_and_is_told() -> None:
    plan, told = make_plan(
        replace(synthetic.spec(label_group="shape"), base="Net1D"),
        {"train": synthetic.snapshot(RECORDS)},
        rate_hz=100,
        duration_s=10,
        threads=2,
    )
    assert (plan.input.rate_hz, plan.input.duration_s) == (500, 10)
    assert [step.name for step in plan.steps][1:4] == ["notch", "band_pass", "median_baseline"]
    assert told == ("Net1D was published for 10 s at 500 Hz; what was left open is that.",)


def test_an_input_that_is_asked_for_goes_before_the_published_one() -> None:
    wanted = synthetic.spec(label_group="shape", sample_rate_hz=250.0, duration_s=4.0)
    plan, told = make_plan(
        replace(wanted, base="Net1D"), {"train": synthetic.snapshot(RECORDS)}, rate_hz=100, duration_s=10, threads=2
    )
    assert (plan.input.rate_hz, plan.input.duration_s, told) == (250, 4, ())
    assert plan.steps[0] == Step("resample", 1, {"rate_hz": 250.0})


def test_the_other_labels_of_the_learnt_group_are_learnt_beside() -> None:
    plan, _ = planned(labels=("QUICK",), label_group="speed", task=Task.MULTILABEL)
    assert plan.auxiliary == {"shape": ("FAST", "WIDE"), "speed": ("SLOW",)}
