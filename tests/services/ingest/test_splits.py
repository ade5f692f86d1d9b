from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from precordia.dataset import SplitRule
from precordia.errors import InvalidArgument, InvalidSplit
from services.ingest.splits import REST, SplitItem, make_splits


def items(*facts: tuple[str, str, str]) -> list[SplitItem]:
    """(patient, fold, labels separated by spaces)."""
    return [SplitItem(patient, fold, tuple(labels.split())) for patient, fold, labels in facts]


FOLDS = items(("a", "1", "N"), ("b", "2", "N"), ("a", "1", "M"), ("c", "3", "M"))


def test_folds_make_splits_in_order_and_the_rest_is_kept_apart() -> None:
    splits = make_splits(FOLDS, [SplitRule("train", ("1", "2")), SplitRule("test", ("3",))], seed=0)
    assert splits == {"train": [0, 1, 2], "test": [3], REST: []}
    assert make_splits(FOLDS, [SplitRule("test", ("2",))], seed=0) == {"test": [1], REST: [0, 2, 3]}


def test_without_rules_all_is_rest() -> None:
    assert make_splits(FOLDS, [], seed=0) == {REST: [0, 1, 2, 3]}


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ([SplitRule("a", ("1",)), SplitRule("b", ("1",))], "Fold 1 is in the splits"),
        ([SplitRule("a", ("9",))], "the folds of the dataset are: 1, 2, 3"),
        ([SplitRule("a", ("1",)), SplitRule("a", ("2",))], "named twice"),
        ([SplitRule("a")], "either folds or a share"),
        ([SplitRule("a", ("1",), 0.5)], "either folds or a share"),
        ([SplitRule("a", (), 0.7), SplitRule("b", (), 0.4)], "more than 1"),
        ([SplitRule("a", (), 1.5)], "at most 1"),
        ([SplitRule("a", (), -0.5)], "above 0"),
        ([SplitRule("a", (), float("nan"))], "above 0"),
        ([SplitRule("a", (), 0.9), SplitRule("b", (), 0.05)], "would be empty"),
    ],
)
def test_rules_that_cannot_be_followed_are_refused(rules: list[SplitRule], said: str) -> None:
    with pytest.raises(InvalidSplit, match=said):
        make_splits(FOLDS, rules, seed=0)


def test_a_split_without_a_name_is_refused() -> None:
    with pytest.raises(InvalidArgument):
        make_splits(FOLDS, [SplitRule("", ("1",))], seed=0)


def test_folds_that_share_a_patient_are_refused() -> None:
    shared = items(("a", "1", "N"), ("a", "2", "N"))
    with pytest.raises(InvalidSplit, match="1 patients have records in more than one split"):
        make_splits(shared, [SplitRule("train", ("1",)), SplitRule("test", ("2",))], seed=0)


def test_a_patient_of_a_fold_split_is_never_drawn_into_another() -> None:
    mixed = items(("a", "1", "N"), ("a", "2", "N"), ("b", "2", "N"), ("c", "2", "N"))
    splits = make_splits(mixed, [SplitRule("test", ("1",)), SplitRule("train", (), 1.0)], seed=0)
    assert splits == {"test": [0], "train": [2, 3], REST: [1]}


def many(patients: int, seed: int) -> list[SplitItem]:
    generator = random.Random(seed)
    found = []
    for patient in range(patients):
        for _ in range(generator.choice((1, 1, 2, 3))):
            labels = tuple(
                label for label, share in (("N", 0.5), ("M", 0.2), ("R", 0.05)) if generator.random() < share
            )
            found.append(SplitItem(f"p{patient}", "", labels))
    return found


def test_shares_are_met_and_labels_are_spread_as_the_shares() -> None:
    found = many(400, 1)
    splits = make_splits(found, [SplitRule("train", (), 0.8), SplitRule("test", (), 0.2)], seed=7)
    patients = {name: {found[i].patient for i in indices} for name, indices in splits.items()}
    assert abs(len(patients["train"]) - 320) <= 2
    assert patients["train"].isdisjoint(patients["test"])
    for label in ("N", "M", "R"):
        having = {item.patient for item in found if label in item.labels}
        assert abs(len(having & patients["test"]) - 0.2 * len(having)) <= 1


def test_the_seed_decides_and_patient_keys_do_not() -> None:
    found = many(60, 2)
    renamed = [SplitItem(f"other {item.patient}", item.fold, item.labels) for item in found]
    rules = [SplitRule("train", (), 0.5)]
    first = make_splits(found, rules, seed=3)
    assert make_splits(renamed, rules, seed=3) == first
    assert make_splits(found, rules, seed=4) != first


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 12), st.sampled_from(["", "N", "M", "N M"])), min_size=1, max_size=40),
    st.integers(0, 2**64 - 1),
)
def test_every_record_is_in_one_split_and_no_patient_in_two(facts: list[tuple[int, str]], seed: int) -> None:
    found = items(*((str(patient), "", labels) for patient, labels in facts))
    try:
        splits = make_splits(found, [SplitRule("train", (), 0.6), SplitRule("test", (), 0.3)], seed=seed)
    except InvalidSplit:
        few = len({item.patient for item in found}) < 8
        assert few  # with more, neither split can be empty
        return
    assert sorted(index for indices in splits.values() for index in indices) == list(range(len(found)))
    patients = [{found[i].patient for i in indices} for indices in splits.values()]
    assert len(set().union(*patients)) == sum(map(len, patients))
