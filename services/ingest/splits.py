"""Splits of a dataset: by folds, or by a share of the patients, stratified by label. Pure arithmetic.

Patients are never shared between splits. The stratified draw is the iterative one of Sechidis,
Tsoumakas and Vlahavas (ECML PKDD 2011), with patients in place of records: the rarest label is
spread first, each patient to the split that still wants most of it.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from precordia.catalog import checked_name
from precordia.dataset import SplitRule
from precordia.errors import InvalidSplit

_TOLERANCE = 1e-9
_MOST_RULES = 1000

REST = ""
"""What no named split holds."""


@dataclass(frozen=True)
class SplitItem:
    """What a split looks at in one record."""

    patient: str
    fold: str
    labels: tuple[str, ...]


def make_splits(items: Sequence[SplitItem], rules: Sequence[SplitRule], *, seed: int) -> dict[str, list[int]]:
    """Indices of the records of each named split, and under `REST` of all others, ascending.

    Args:
        items: the dataset's records in order.
        rules: folds first; shares are of the patients that no fold rule took.
        seed: of the draw; the same records, rules and seed give the same splits.

    Raises:
        InvalidSplit: rules that overlap, ask for what is not there, or leave a split empty.
    """
    _check_rules(rules)
    split_of = _by_fold(items, [rule for rule in rules if rule.folds])
    shares = {rule.name: rule.patient_fraction for rule in rules if not rule.folds}
    if shares:
        taken = {items[index].patient for index in split_of}
        drawn = draw_patients([item for item in items if item.patient not in taken], shares, seed=seed)
        split_of |= {index: drawn[item.patient] for index, item in enumerate(items) if item.patient in drawn}
    return _collected(items, rules, split_of)


def _check_rules(rules: Sequence[SplitRule]) -> None:
    if len(rules) > _MOST_RULES:
        raise InvalidSplit(f"A snapshot has {_MOST_RULES} splits at most.")
    names = [checked_name(rule.name, field="splits.name") for rule in rules]
    for name in names:
        if names.count(name) > 1:
            raise InvalidSplit(f"Split '{name}' is named twice.")
    for rule in rules:
        if bool(rule.folds) == (rule.patient_fraction != 0):
            raise InvalidSplit(f"Split '{rule.name}' needs either folds or a share of the patients.")
        if not rule.folds and not 0 < rule.patient_fraction <= 1:
            raise InvalidSplit(f"Split '{rule.name}': a share of the patients is above 0 and at most 1.")
    if sum(rule.patient_fraction for rule in rules) > 1 + _TOLERANCE:
        raise InvalidSplit("The shares of the patients are more than 1 together.")


def _by_fold(items: Sequence[SplitItem], rules: Sequence[SplitRule]) -> dict[int, str]:
    split_of_fold: dict[str, str] = {}
    there = {item.fold for item in items}
    for rule in rules:
        for fold in rule.folds:
            if fold in split_of_fold:
                raise InvalidSplit(f"Fold {fold} is in the splits '{split_of_fold[fold]}' and '{rule.name}'.")
            if not fold or fold not in there:
                known = ", ".join(sorted(there - {""})[:50]) or "none"
                raise InvalidSplit(f"No record is in fold '{fold}'; the folds of the dataset are: {known}.")
            split_of_fold[fold] = rule.name
    split_of = {index: split_of_fold[item.fold] for index, item in enumerate(items) if item.fold in split_of_fold}
    _refuse_shared_patients(items, split_of)
    return split_of


def _refuse_shared_patients(items: Sequence[SplitItem], split_of: Mapping[int, str]) -> None:
    splits: dict[str, set[str]] = {}
    for index, split in split_of.items():
        splits.setdefault(items[index].patient, set()).add(split)
    shared = sum(len(names) > 1 for names in splits.values())
    if shared:
        raise InvalidSplit(f"{shared} patients have records in more than one split; choose other folds, or shares.")


def draw_patients(items: Sequence[SplitItem], shares: Mapping[str, float], *, seed: int) -> dict[str, str]:
    """Split by patient; `REST` takes what the shares leave.

    Args:
        items: records; those of one patient stay together.
        shares: wanted part of the patients by split, 1 at most in sum.
        seed: decides among equals.
    """
    labels = _labels_by_patient(items)
    patients = list(labels)
    generator = random.Random(seed)  # noqa: S311 - repeatable on purpose, nothing is secret here
    generator.shuffle(patients)
    rest = max(0.0, 1.0 - sum(shares.values()))
    draw = _Draw({**shares, REST: rest} if rest > _TOLERANCE else dict(shares), labels)
    while (label := draw.rarest_label()) is not None:
        for patient in patients:
            if patient not in draw.split_of and label in labels[patient]:
                draw.place(patient, label)
    for patient in patients:
        if patient not in draw.split_of:
            draw.place(patient, None)
    return draw.split_of


def _labels_by_patient(items: Sequence[SplitItem]) -> dict[str, frozenset[str]]:
    """In order of first appearance, so that the keys' own order decides nothing."""
    labels: dict[str, set[str]] = {}
    for item in items:
        labels.setdefault(item.patient, set()).update(item.labels)
    return {patient: frozenset(named) for patient, named in labels.items()}


class _Draw:
    """How many patients, and how many with each label, each split still wants."""

    def __init__(self, shares: Mapping[str, float], labels: Mapping[str, frozenset[str]]) -> None:
        self.split_of: dict[str, str] = {}
        self._labels = labels
        self._left = Counter(label for named in labels.values() for label in sorted(named))
        self._wanted = {split: share * len(labels) for split, share in shares.items()}
        self._wanted_of = {
            split: {label: share * count for label, count in self._left.items()} for split, share in shares.items()
        }

    def open_labels(self) -> list[str]:
        """Labels of patients that have no split yet."""
        return [label for label, count in self._left.items() if count]

    def rarest_label(self) -> str | None:
        """The label with the fewest patients left; the first by name among equals."""
        return min(self.open_labels(), key=lambda label: (self._left[label], label), default=None)

    def place(self, patient: str, label: str | None) -> None:
        """Give a patient to the split that wants most of the label, then of patients at all."""
        split = max(self._wanted, key=lambda split: self._hunger(split, label))
        self.split_of[patient] = split
        self._wanted[split] -= 1
        for named in self._labels[patient]:
            self._wanted_of[split][named] -= 1
            self._left[named] -= 1

    def _hunger(self, split: str, label: str | None) -> tuple[float, float]:
        of_label = 0.0 if label is None else self._wanted_of[split][label]
        return of_label, self._wanted[split]


def _collected(
    items: Sequence[SplitItem], rules: Sequence[SplitRule], split_of: Mapping[int, str]
) -> dict[str, list[int]]:
    splits: dict[str, list[int]] = {rule.name: [] for rule in rules}
    splits[REST] = []
    for index in range(len(items)):
        splits[split_of.get(index, REST)].append(index)
    for name, indices in splits.items():
        if name != REST and not indices:
            raise InvalidSplit(f"Split '{name}' would be empty; give it a larger share or other folds.")
    return splits
