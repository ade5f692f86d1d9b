"""Age and sex from ingest's shards to the trained network, the same as serving computes them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from precordia.manifest import Task
from precordia.models.networks import AGE_AND_SEX
from precordia.record import Sex
from services.inference.engine.host_buffers import Tensor
from services.inference.engine.sessions import Session, TensorSpec
from services.inference.scoring.scorer import Scorer
from services.inference.scoring.scores import EcgJob, Scored
from services.trainer.planning.plan import Plan
from services.trainer.records.data import conditioned_split, examples
from services.trainer.records.examples import draw_validation
from tests.services.inference.graphs import SAMPLES, contract, levels
from tests.services.trainer import synthetic

PEOPLE = [(30.0, Sex.FEMALE), (75.5, Sex.MALE), (None, Sex.MALE), (51.0, None), (None, None)]


def records() -> list[synthetic.ShardRecord]:
    made = synthetic.records(10)
    return [replace(record, age_years=PEOPLE[row % 5][0], sex=PEOPLE[row % 5][1]) for row, record in enumerate(made)]


def planned(base: str) -> Plan:
    spec = replace(synthetic.spec(), base=base)
    snapshots = {"train": synthetic.snapshot(records())}
    return synthetic.make_plan(spec, snapshots, rate_hz=50.0, duration_s=4.0, threads=1)[0]


class Witness(Session):
    """Keeps what a graph is given beside the signals."""

    providers = ("none",)
    inputs = (TensorSpec("signal", (None, 12, SAMPLES)), TensorSpec("beside", (None, len(AGE_AND_SEX.columns))))
    outputs = (TensorSpec("scores", (None, 1)),)

    def compute(self, tensors: Mapping[str, Tensor], outputs: Sequence[str]) -> list[NDArray[Any]]:
        self.beside = tensors["beside"]
        return [np.zeros((len(self.beside), 1), np.float32)]

    def release(self) -> None:
        """Holds nothing."""


def test_serving_gives_the_graph_the_rows_that_training_used() -> None:
    witness = Witness()
    serve = Scorer(witness, contract("a", co_inputs=AGE_AND_SEX.columns), max_rows=len(PEOPLE))
    assert all(isinstance(scored, Scored) for scored in serve([EcgJob(levels(0.3), age, sex) for age, sex in PEOPLE]))
    rows = np.array([AGE_AND_SEX.row(age, sex) for age, sex in PEOPLE], np.float32)
    np.testing.assert_array_equal(witness.beside, rows)


async def test_each_record_comes_with_its_patients_age_and_sex(tmp_path: Path) -> None:
    plan = planned("DSAIL-SNU")
    shards = synthetic.ShardsInMemory(records())
    for _ in range(2):  # fetched, then from the cache
        split = await conditioned_split(shards, plan.splits["train"], plan.manifest(), tmp_path, lambda *_: None)
        found = examples(
            split,
            task=Task.MULTILABEL,
            group="shape",
            labels=("FAST",),
            auxiliary={},
            tell=lambda _: None,
            role="train",
            co_inputs=plan.co_inputs,
        )
        wanted = np.array([AGE_AND_SEX.row(*PEOPLE[row % 5]) for row in range(10)], np.float32)
        np.testing.assert_array_equal(found.beside, wanted)
        _, validation = draw_validation(found.y, found.patients, fraction=0.3, seed=0)
        np.testing.assert_array_equal(found.only(validation).beside, wanted[np.sort(validation)])


def test_a_plan_keeps_its_co_inputs_and_other_plans_say_nothing_of_them() -> None:
    plan = planned("DSAIL-SNU")
    assert plan.manifest().co_inputs == AGE_AND_SEX
    assert Plan.from_json(plan.to_json()) == plan
    assert [step.name for step in plan.steps] == ["resample", "crop_or_pad", "median_baseline", "min_max"]
    without = planned("InceptionTime")
    assert without.co_inputs is None
    assert "co_inputs" not in without.to_json()
    assert Plan.from_json(without.to_json()) == without
