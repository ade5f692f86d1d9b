"""The input's hash covers all that a graph is given, and nothing else."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from precordia.manifest import CoInput, Task, WindowPolicy
from precordia.record import Sex
from services.inference.engine.onnx_runtime import OnnxRuntimeEngine
from services.inference.engine.providers import Device
from services.inference.scoring.input_hash import input_sha256
from services.inference.scoring.scorer import Scorer
from services.inference.scoring.scores import EcgJob, Scored
from tests.services.inference.graphs import contract, levels, linear_graph

WINDOWS = np.arange(24, dtype=np.float32).reshape(2, 12, 1)
PERSON = (CoInput("age_years", scale=10.0, default=6.0), CoInput("sex_female", default=0.5))


def test_without_co_inputs_it_is_that_of_the_windows_whoever_the_patient_is() -> None:
    expected = hashlib.sha256(WINDOWS.tobytes()).hexdigest()
    assert input_sha256(WINDOWS, contract("a"), None, None) == expected
    assert input_sha256(WINDOWS, contract("a"), 80.0, Sex.MALE) == expected


@pytest.mark.parametrize(
    ("age", "sex", "row"),
    [(None, None, (6.0, 0.5)), (80.0, Sex.MALE, (8.0, 0.0)), (80.0, Sex.FEMALE, (8.0, 1.0))],
)
def test_the_row_of_co_inputs_stands_behind_the_windows(
    age: float | None, sex: Sex | None, row: tuple[float, float]
) -> None:
    expected = hashlib.sha256(WINDOWS.tobytes() + np.array(row, np.float32).tobytes()).hexdigest()
    assert input_sha256(WINDOWS, contract("a", co_inputs=PERSON), age, sex) == expected


def test_ecgs_that_differ_in_age_alone_are_scored_and_hashed_apart() -> None:
    graph = linear_graph(np.zeros((12, 1)), np.zeros(1), co_inputs=1)
    manifest = contract("age", task=Task.REGRESSION, windows=WindowPolicy(), co_inputs=(CoInput("age_years"),))
    jobs = [EcgJob(levels(0.1), age) for age in (63.0, 64.0, 63.0)]
    answers = Scorer(OnnxRuntimeEngine(device=Device.CPU).load(graph), manifest, max_rows=3)(jobs)
    found = [one for one in answers if isinstance(one, Scored)]
    assert [one.values.tolist() for one in found] == [[63.0], [64.0], [63.0]]
    assert found[0].input_sha256 == found[2].input_sha256 != found[1].input_sha256
