"""Leads that a model is to do without: asked for, inherited, and refused where nothing would teach it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from precordia.dataset import GroupFacts, LabelFacts, SplitFacts
from precordia.errors import InvalidManifest, InvalidTrainingSpec
from precordia.leads import STANDARD_LEADS
from precordia.manifest import InputSpec
from precordia.record import Unit
from precordia.steps import Step
from precordia.training import Method
from services.trainer.planning.bases import PinnedBase
from services.trainer.planning.plan import Plan, make_plan
from services.trainer.planning.spec_json import spec_from_json, spec_to_json
from tests.services.trainer import synthetic
from tests.services.trainer.made_bases import CONTRACT

SPEC = InputSpec("arg0", STANDARD_LEADS, 100.0, 10.0, Unit.MILLIVOLT, ("V1", "V2"))
BASE = PinnedBase(
    "base", 3, "d" * 64, "InceptionTime", {"weights.safetensors": "a" * 64}, replace(CONTRACT, input=SPEC, steps=())
)


def planned(
    base: PinnedBase | None = None, facts: SplitFacts | None = None, **changes: Any
) -> tuple[Plan, tuple[str, ...]]:
    snapshot = synthetic.snapshot(synthetic.records(8))
    snapshot = replace(snapshot, facts=(facts,)) if facts else snapshot
    spec = synthetic.spec(**{"label_group": "shape", "overrides": {}, **changes})
    return make_plan(spec, {"train": snapshot}, base=base, rate_hz=100, duration_s=10, threads=1)


def test_they_are_asked_for_and_go_into_the_contract() -> None:
    plan, told = planned(optional_leads=("V1", "V2"))
    assert plan.manifest().input.optional_leads == ("V1", "V2")
    assert told == ()
    assert Plan.from_json(plan.to_json()) == plan
    assert plan.digest() != planned()[0].digest()
    assert "optional_leads" not in planned()[0].to_json()["input"]


def test_a_request_survives_json() -> None:
    spec = synthetic.spec(optional_leads=("V1",))
    assert spec_from_json(spec_to_json(spec)) == spec
    assert "optional_leads" not in spec_to_json(synthetic.spec())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"overrides": {"lead_dropout": 0}}, r"would not learn to do without V1"),
        ({"recipe": "published"}, r"'published' silences no leads.*--set lead_dropout"),
        ({"overrides": {"augmentation": "light"}}, r"silences no leads"),
        ({"leads": ("I", "II")}, r"Lead V1 is to be optional, and the model does not take it"),
        ({"leads": ("V1",)}, r"One lead at least is not optional"),
    ],
)
def test_what_nothing_would_teach_is_refused_before_any_computing(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidTrainingSpec, match=said) as refused:
        planned(optional_leads=("V1",), **changes)
    assert refused.value.field == "optional_leads"


def test_leads_that_are_scaled_together_cannot_be_left_out() -> None:
    with pytest.raises(InvalidManifest, match="scales all leads together"):
        planned(optional_leads=("V1",), conditioning=(Step("z_score", 1, {"by": "record"}),))


@pytest.mark.parametrize("method", [Method.ALL, Method.HEAD, Method.SCRATCH])
def test_a_bases_are_inherited(method: Method) -> None:
    plan, _ = planned(BASE, method=method)
    assert plan.input.optional_leads == ("V1", "V2")
    assert planned(BASE, method=method, optional_leads=("V2",))[0].input.optional_leads == ("V2",)


def test_without_lead_dropout_a_bases_are_given_up_and_that_is_said() -> None:
    plan, told = planned(BASE, method=Method.ALL, overrides={"lead_dropout": 0})
    assert plan.input.optional_leads == ()
    assert any("does without V1, V2; trained on without lead dropout" in sentence for sentence in told)


def test_a_head_alone_learns_no_new_ones() -> None:
    with pytest.raises(InvalidTrainingSpec, match=r"never learnt to do without V3"):
        planned(BASE, method=Method.HEAD, optional_leads=("V1", "V3"))
    assert planned(BASE, method=Method.ALL, optional_leads=("V1", "V3"))[0].input.optional_leads == ("V1", "V3")


def facts(*lead_sets: tuple[tuple[str, ...], int]) -> SplitFacts:
    labels = (LabelFacts("FAST", 4, 4), LabelFacts("WIDE", 4, 4))
    return SplitFacts("", 8, 8, (GroupFacts("shape", 8, labels),), lead_sets=lead_sets)


WITHOUT_V1 = tuple(lead for lead in STANDARD_LEADS if lead != "V1")


def test_records_without_an_optional_lead_are_taken_and_counted() -> None:
    _, told = planned(facts=facts((STANDARD_LEADS, 5), (WITHOUT_V1, 3)), optional_leads=("V1",))
    assert told == ("3 of 8 records of the train part lack V1; zeros stand for it.",)
    _, told = planned(facts=facts((STANDARD_LEADS, 5), (WITHOUT_V1, 3)), optional_leads=("V2",))
    assert told == ("3 of 8 records of the train part lack leads (V1) and are left out.",)


def test_a_lead_that_no_record_has_cannot_be_learnt() -> None:
    with pytest.raises(InvalidTrainingSpec, match=r"No record of the training part has V1") as refused:
        planned(facts=facts((WITHOUT_V1, 8)), optional_leads=("V1",))
    assert refused.value.field == "optional_leads"
    _, told = planned(BASE, facts=facts((WITHOUT_V1, 8)), method=Method.ALL)
    assert "8 of 8 records of the train part lack V1; zeros stand for it." in told
