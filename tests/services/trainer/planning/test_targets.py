from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from precordia.dataset import GroupFacts, LabelFacts, LabelGroup, NumericFacts, Snapshot, SplitFacts
from precordia.errors import InvalidTrainingSpec
from precordia.manifest import Output, Task
from precordia.training import Method
from services.trainer.planning.bases import PinnedBase
from services.trainer.planning.targets import Learnt, learnt, unit_of
from tests.services.trainer import synthetic
from tests.services.trainer.made_bases import CONTRACT

GROUPS = (
    GroupFacts("heart", 10, (LabelFacts("AF", 6, 4), LabelFacts("RARE", 3, 1))),
    GroupFacts("shape", 10, (LabelFacts("WIDE", 5, 3), LabelFacts("FAST", 5, 5))),
)
NUMBERS = (NumericFacts("qtc_ms", 9, 350.0, 480.0), NumericFacts("age", 10, 20.0, 90.0))


def snapshot(groups: tuple[GroupFacts, ...] = GROUPS, numbers: tuple[NumericFacts, ...] = NUMBERS) -> Snapshot:
    return Snapshot(
        "snap-1",
        "made",
        "d" * 64,
        label_groups=tuple(
            LabelGroup(group.name, tuple((label.name, label.records) for label in group.labels)) for group in groups
        ),
        facts=(SplitFacts("", 10, 6, groups, numbers),),
    )


def base(**contract: Any) -> PinnedBase:
    return PinnedBase("base", 1, "d" * 64, "InceptionTime", {}, replace(CONTRACT, **contract))


REGRESSION = base(task=Task.REGRESSION, outputs=(Output("age", unit="years"),), label_group="")


@pytest.mark.parametrize(
    ("changes", "start", "data", "expected"),
    [
        ({}, None, snapshot(), Learnt("heart", ("AF",), None)),  # one patient has RARE
        ({}, base(), snapshot(), Learnt("shape", ("WIDE", "FAST"), None)),  # the base's own group
        ({"label_group": "shape", "labels": ("FAST",)}, base(), snapshot(), Learnt("shape", ("FAST",), None)),
        ({}, REGRESSION, snapshot(), Learnt("", ("age",), Task.REGRESSION)),
        ({"label_group": "heart"}, REGRESSION, snapshot(), Learnt("heart", ("AF",), None)),
        ({"task": Task.REGRESSION, "labels": ("qtc_ms",)}, None, snapshot(), Learnt("", ("qtc_ms",), Task.REGRESSION)),
        ({}, None, snapshot((), NUMBERS[:1]), Learnt("", ("qtc_ms",), Task.REGRESSION)),  # nothing else to learn
    ],
)
def test_what_is_left_open_is_chosen(
    changes: dict[str, Any], start: PinnedBase | None, data: Snapshot, expected: Learnt
) -> None:
    method = Method.ALL if start else Method.SCRATCH
    assert learnt(synthetic.spec(method=method, **changes), {"train": data}, start, []) == expected


def test_what_was_chosen_is_told() -> None:
    told: list[str] = []
    learnt(synthetic.spec(), {"train": snapshot()}, None, told)
    assert told == [
        "Learning the label group 'heart', the dataset's first of 2.",
        "Not learnt, because fewer than 2 patients of the training part have it: RARE.",
    ]
    learnt(synthetic.spec(), {"train": snapshot((), NUMBERS[:1])}, None, told)
    assert told[-1] == "Learning numbers: qtc_ms (ms)."


@pytest.mark.parametrize(
    ("changes", "data", "words"),
    [
        ({}, snapshot(()), "The dataset has qtc_ms, age."),
        ({}, snapshot((), ()), "no labels; give it a label table"),
        ({"labels": ("AF", "AF")}, snapshot(), "stand once each"),
        ({"labels": ("CD",)}, snapshot(), "no label 'CD'; it has AF, RARE"),
    ],
)
def test_what_the_data_do_not_have_is_refused(changes: dict[str, Any], data: Snapshot, words: str) -> None:
    with pytest.raises(InvalidTrainingSpec) as refused:
        learnt(synthetic.spec(**changes), {"train": data}, None, [])
    assert words in refused.value.message


@pytest.mark.parametrize(
    ("column", "unit"),
    [
        ("qtc_ms", "ms"),
        ("QTc [ms]", "ms"),
        ("axis (deg)", "deg"),
        ("strain [mm/m]", "mm/m"),
        ("age", "years"),
        ("LVEF", "%"),
        ("lvef_percent", "%"),
        ("heart-rate-bpm", "bpm"),
        ("troponin", ""),
        ("ms", ""),
        ("forms", ""),
    ],
)
def test_a_columns_name_says_its_unit(column: str, unit: str) -> None:
    assert unit_of(column) == unit
