"""Which outputs of a model answer which labels of a dataset.

As Bickmann et al. 2026 (J Med Internet Res 28:e81116) match label spaces: a label that the model does
not know is left out of its figures, and what the model calls on such records stays in as a false
positive. The other way round, an output that the dataset has no label for is unasked: whether it is
right is not known, so it has no figures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

from precordia.catalog import ModelVersion
from precordia.dataset import Snapshot
from precordia.errors import InvalidArgument, InvalidLabels
from precordia.evaluation import LabelAnswer
from precordia.manifest import Task

Columns = Mapping[str, tuple[str, ...]]
"""Label -> the outputs that answer it."""


def columns_of(outputs: Sequence[str], answers: Sequence[LabelAnswer] = ()) -> dict[str, tuple[str, ...]]:
    """Every label that the model answers: an output answers the label of its name, unless `answers` say otherwise."""
    joined = {
        answer.label: tuple(name for name in outputs if name in answer.outputs)
        for answer in answers
        if set(answer.outputs) & set(outputs)
    }
    spoken_for = {name for names in joined.values() for name in names}
    columns: dict[str, tuple[str, ...]] = {}
    for output in outputs:
        for label in (label for label, names in joined.items() if names[0] == output):
            columns[label] = joined[label]
        if output not in spoken_for and output not in joined:
            columns[output] = (output,)
    return columns


def unasked_labels(columns: Columns, there: Set[str]) -> tuple[str, ...]:
    """Labels of the model that the dataset neither gives nor denies to any record."""
    return tuple(label for label, outputs in columns.items() if not {label, *outputs} & there)


def group_labels(snapshot: Snapshot, group: str) -> set[str]:
    """Labels of a group; those without a record, too."""
    return {label for one in snapshot.label_groups if one.name == group for label, _ in one.labels}


def label_group(
    version: ModelVersion, snapshot: Snapshot, wanted: str = "", answers: Sequence[LabelAnswer] = ()
) -> str:
    """The group of labels that the outputs answer to.

    The one asked for; else the manifest's, where the dataset has it; else the first of those that
    share most labels with the outputs.

    Raises:
        InvalidLabels: the group asked for is not there, or no group has a label that the model gives.
        InvalidArgument: answers to labels are asked of a model that gives values.
    """
    manifest = version.manifest
    if manifest.task is Task.REGRESSION:
        if answers:
            raise InvalidArgument(f"{version.ref} gives values, no labels that others could answer.", field="answers")
        return wanted
    columns = columns_of(manifest.output_names, answers)
    shared = {
        group.name: len(columns) - len(unasked_labels(columns, {label for label, _ in group.labels}))
        for group in snapshot.label_groups
    }
    best = max(shared, key=lambda name: shared[name], default="")
    chosen = wanted or (manifest.label_group if shared.get(manifest.label_group) else best)
    if not shared.get(chosen):
        there = ", ".join(map(labels_of, shared)) or "none"
        raise InvalidLabels(
            f"None of {labels_of(chosen)} is an output of {version.ref} ({', '.join(manifest.output_names[:20])}). "
            f"This dataset has: {there}."
        )
    return chosen


def labels_of(group: str) -> str:
    """A group in words."""
    return f"the labels of group '{group}'" if group else "the labels without a group"
