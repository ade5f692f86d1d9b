from __future__ import annotations

import pytest

from precordia.errors import InvalidArgument
from precordia.manifest import Activation, Output, Task
from services.registry.operating_points import checked_operating_points
from tests.services.registry.graphs import manifest


def test_operating_points_become_canonical_text() -> None:
    text = ' {"thresholds": {"NORM": 0.5, "MI": 0.25},\n "temperature": 1.5}'

    assert checked_operating_points(text, manifest()) == '{"temperature":1.5,"thresholds":{"MI":0.25,"NORM":0.5}}'


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        "[" * 100_000,
        '{"threshold": {}}',
        '{"thresholds": []}',
        '{"thresholds": {"XYZ": 0.5}}',
        '{"thresholds": {"MI": 1.5}}',
        '{"thresholds": {"MI": true}}',
        '{"thresholds": {"MI": "0.5"}}',
        '{"thresholds": {"MI": NaN}}',
        '{"temperature": 0}',
        '{"temperature": 1e-320}',
        '{"temperature": ' + "9" * 400 + "}",
        '{"temperature": Infinity}',
        " " * (2 << 20),
    ],
)
def test_what_is_no_operating_point_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        checked_operating_points(text, manifest())

    assert refused.value.field == "operating_points_json"


def test_a_regression_threshold_is_in_the_outputs_unit() -> None:
    contract = manifest(task=Task.REGRESSION, outputs=(Output("LVEF", unit="%"),), activation=Activation.NONE)

    assert checked_operating_points('{"thresholds":{"LVEF":40}}', contract) == '{"thresholds":{"LVEF":40}}'
