"""Targets: which labels or numbers a run learns, and in which units."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from precordia.dataset import Snapshot, SplitFacts
from precordia.errors import InvalidTrainingSpec
from precordia.manifest import Task
from precordia.training import TrainingSpec
from services.trainer.planning.bases import PinnedBase

TRAIN, VALIDATION, TEST = "train", "validation", "test"
"""Roles of splits."""
FEWEST_PATIENTS = 2
"""Of a label: one to train on, one to validate with."""

_UNITS = {
    "ms": "ms",
    "s": "s",
    "bpm": "bpm",
    "hz": "Hz",
    "mv": "mV",
    "uv": "uV",
    "years": "years",
    "year": "years",
    "percent": "%",
    "pct": "%",
    "mmhg": "mmHg",
    "deg": "deg",
    "degrees": "deg",
    "kg": "kg",
    "cm": "cm",
}
_KNOWN = {"age": "years", "lvef": "%", "ef": "%"}
_BRACKETED = re.compile(r"[\[(]\s*([^\])]{1,16}?)\s*[\])]\s*$")


@dataclass(frozen=True)
class Learnt:
    """What is learnt: `task` None = decided from the labels of the training records."""

    group: str
    labels: tuple[str, ...]
    task: Task | None


def unit_of(column: str) -> str:
    """The unit that a numeric column's name says: `qtc_ms`, `QTc [ms]`; age is in years, LVEF in %. Else empty."""
    found = _BRACKETED.search(column)
    if found:
        said = found.group(1)
        return _UNITS.get(said.lower(), said)
    word = column.lower().replace("-", "_").rpartition("_")[2]
    return _KNOWN.get(column.lower(), _UNITS.get(word, "") if "_" in column or "-" in column else "")


def facts_of(snapshot: Snapshot, split: str) -> SplitFacts | None:
    """What the snapshot says of one of its splits ("" = all of it); None where it was made before it said so."""
    return next((facts for facts in snapshot.facts if facts.split == split), None)


def learnt(spec: TrainingSpec, snapshots: Mapping[str, Snapshot], base: PinnedBase | None, told: list[str]) -> Learnt:
    """The targets that a request means; open choices are filled in and told.

    Raises:
        InvalidTrainingSpec: the data do not have them.
    """
    snapshot = snapshots[TRAIN]
    facts = facts_of(snapshot, spec.train.split)
    columns = tuple(column.name for column in facts.numeric) if facts else ()
    if _is_regression(spec, snapshot, base, columns):
        return _numbers(spec, base, columns, told)
    return _classes(spec, snapshot, base, facts, told)


def _is_regression(spec: TrainingSpec, snapshot: Snapshot, base: PinnedBase | None, columns: tuple[str, ...]) -> bool:
    if spec.task is not None or spec.label_group:
        return spec.task is Task.REGRESSION
    if base is not None and base.contract.task is Task.REGRESSION:
        wanted = spec.labels or base.contract.output_names
        return bool(columns) and set(wanted) <= set(columns)
    return not snapshot.label_groups and bool(columns)


def _numbers(spec: TrainingSpec, base: PinnedBase | None, columns: tuple[str, ...], told: list[str]) -> Learnt:
    labels = spec.labels
    if not labels and base is not None and set(base.contract.output_names) <= set(columns):
        labels = base.contract.output_names
    if not labels and len(columns) == 1:
        labels = columns
    if not labels:
        known = f" The dataset has {', '.join(columns)}." if columns else ""
        raise InvalidTrainingSpec(f"Regression needs the names of the numeric columns to learn.{known}", field="labels")
    _each_once(labels)
    if spec.task is None or labels != spec.labels:
        named = ", ".join(f"{label} ({unit})" if (unit := unit_of(label)) else label for label in labels)
        told.append(f"Learning numbers: {named}.")
    return Learnt(spec.label_group, labels, Task.REGRESSION)


def _classes(
    spec: TrainingSpec, snapshot: Snapshot, base: PinnedBase | None, facts: SplitFacts | None, told: list[str]
) -> Learnt:
    groups = {group.name: dict(group.labels) for group in snapshot.label_groups}
    if not groups:
        raise InvalidTrainingSpec("The dataset has no labels; give it a label table first.", field="label_group")
    name = spec.label_group or _usual_group(list(groups), base, told)
    if name not in groups:
        raise InvalidTrainingSpec(f"The dataset's label groups are {', '.join(groups)}.", field="label_group")
    unknown = [label for label in spec.labels if label not in groups[name]]
    if unknown:
        raise InvalidTrainingSpec(
            f"The label group '{name}' has no label '{unknown[0][:64]}'; it has {', '.join(list(groups[name])[:20])}.",
            field="labels",
        )
    labels = spec.labels or _with_patients(groups[name], name, facts, spec.validation is None, told)
    if not labels:
        raise InvalidTrainingSpec(
            f"No label of the group '{name}' has records to learn from; check that the label table names these "
            "recordings, and import it again.",
            field="labels",
        )
    _each_once(labels)
    return Learnt(name, labels, spec.task)


def _usual_group(groups: list[str], base: PinnedBase | None, told: list[str]) -> str:
    """The base's own group where the dataset has it, else the one without a name, else the first."""
    own = base.contract.label_group if base else ""
    if own in groups:
        return own
    if "" in groups:
        return ""
    told.append(f"Learning the label group '{groups[0]}', the dataset's first of {len(groups)}.")
    return groups[0]


def _with_patients(
    counts: Mapping[str, int], group: str, facts: SplitFacts | None, is_drawn: bool, told: list[str]
) -> tuple[str, ...]:
    """Labels of the group that can be learnt from the training part: each has patients enough, where that is known."""
    present = tuple(label for label, count in counts.items() if count)
    known = facts.group(group) if facts else None
    if known is None:
        return present
    fewest = FEWEST_PATIENTS if is_drawn else 1
    rare = [label for label in present if known.patients_with(label) < fewest]
    if rare:
        told.append(
            f"Not learnt, because fewer than {fewest} patients of the training part have it: {', '.join(rare)}."
        )
    return tuple(label for label in present if label not in rare)


def _each_once(labels: tuple[str, ...]) -> None:
    if len(set(labels)) != len(labels):
        raise InvalidTrainingSpec("Labels to learn stand once each.", field="labels")
