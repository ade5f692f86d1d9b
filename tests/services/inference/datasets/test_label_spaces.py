from __future__ import annotations

import pytest

from precordia.catalog import Lineage, ModelVersion
from precordia.dataset import LabelGroup, Snapshot
from precordia.errors import InvalidArgument, InvalidLabels
from precordia.evaluation import LabelAnswer
from precordia.manifest import Task
from services.inference.datasets.label_spaces import columns_of, group_labels, label_group, unasked_labels
from tests.services.inference.graphs import contract


def version(*names: str, group: str = "") -> ModelVersion:
    return ModelVersion("m", 1, "d", contract(*names, label_group=group), (), Lineage("trained"))


SNAPSHOT = Snapshot(
    "s",
    "study",
    "d",
    label_groups=(
        LabelGroup("rhythm", (("AFIB", 3), ("MI", 1))),
        LabelGroup("super", (("MI", 5), ("CD", 2))),
        LabelGroup("second", (("MI", 5), ("CD", 2))),
    ),
)


@pytest.mark.parametrize(
    ("names", "own", "asked", "chosen"),
    [
        (("MI", "CD"), "", "", "super"),
        (("MI",), "", "", "rhythm"),
        (("MI", "CD"), "second", "", "second"),
        (("MI", "CD"), "elsewhere", "", "super"),
        (("MI", "CD"), "second", "rhythm", "rhythm"),
    ],
)
def test_the_group_is_the_one_asked_for_then_the_models_own_then_the_best_match(
    names: tuple[str, ...], own: str, asked: str, chosen: str
) -> None:
    assert label_group(version(*names, group=own), SNAPSHOT, asked) == chosen


@pytest.mark.parametrize(("names", "asked"), [(("XYZ",), ""), (("MI",), "nowhere"), (("CD",), "rhythm")])
def test_a_group_that_answers_to_no_output_is_refused(names: tuple[str, ...], asked: str) -> None:
    with pytest.raises(InvalidLabels):
        label_group(version(*names), SNAPSHOT, asked)


def test_a_group_is_found_by_the_labels_that_outputs_answer_under_other_names() -> None:
    answers = (LabelAnswer("AFIB", ("AF",)),)
    assert label_group(version("AF"), SNAPSHOT, "", answers) == "rhythm"
    with pytest.raises(InvalidLabels):
        label_group(version("AF"), SNAPSHOT)


def test_a_model_of_values_answers_no_labels() -> None:
    model = ModelVersion("m", 1, "d", contract("qt", task=Task.REGRESSION), (), Lineage("trained"))
    assert label_group(model, SNAPSHOT) == ""
    with pytest.raises(InvalidArgument, match="values"):
        label_group(model, SNAPSHOT, "", (LabelAnswer("MI", ("qt",)),))


def test_complete_and_incomplete_blocks_count_as_one_where_a_dataset_has_only_that() -> None:
    """Table 1 of Bickmann et al. 2026."""
    outputs = ("NORM", "CLBBB", "CRBBB", "IRBBB")
    columns = columns_of(outputs, (LabelAnswer("RBBB", ("CRBBB", "IRBBB")),))
    assert columns == {"NORM": ("NORM",), "CLBBB": ("CLBBB",), "RBBB": ("CRBBB", "IRBBB")}
    assert unasked_labels(columns, {"RBBB", "CLBBB"}) == ("NORM",)
    assert unasked_labels(columns, {"IRBBB"}) == ("NORM", "CLBBB")


def test_a_label_keeps_its_name_when_a_second_output_joins_it() -> None:
    columns = columns_of(("CRBBB", "IRBBB", "X"), (LabelAnswer("CRBBB", ("CRBBB", "IRBBB")),))
    assert columns == {"CRBBB": ("CRBBB", "IRBBB"), "X": ("X",)}


def test_outputs_that_the_model_does_not_have_answer_nothing() -> None:
    answers = (LabelAnswer("RBBB", ("CRBBB", "IRBBB")), LabelAnswer("AFIB", ("AF",)))
    assert columns_of(("CRBBB", "NORM"), answers) == {"RBBB": ("CRBBB",), "NORM": ("NORM",)}


def test_a_label_without_a_record_is_still_asked() -> None:
    snapshot = Snapshot("s", "study", "d", label_groups=(LabelGroup("way", (("UP", 3), ("NEVER", 0))),))
    assert group_labels(snapshot, "way") == {"UP", "NEVER"}
    assert group_labels(snapshot, "elsewhere") == set()
