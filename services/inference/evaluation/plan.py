"""What an evaluation fixes when it begins, so that a resumed attempt measures the same thing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from precordia.catalog import ModelVersion
from precordia.dataset import Snapshot, SplitRef
from precordia.errors import InvalidArgument
from precordia.evaluation import EvaluationWish, LabelAnswer
from precordia.manifest import Task
from precordia.operations import OperationContext
from services.inference.datasets.label_spaces import (
    Columns,
    columns_of,
    group_labels,
    label_group,
    labels_of,
    unasked_labels,
)
from services.inference.datasets.split_scorer import PinnedWork, SplitScorer
from services.inference.models.serving import OperatingPoints


@dataclass(frozen=True)
class Part:
    """One model on one split.

    Attributes:
        work: the version and the snapshot.
        chooses: thresholds are chosen here, and nothing is reported.
        first, records: its places in the operation's work.
        outputs: of the model.
        columns: labels, and the outputs that answer them.
        unasked: of them, those that the dataset says nothing of.
        thresholds: by output, the model's own.
    """

    work: PinnedWork
    chooses: bool
    first: int
    records: int
    snapshot_digest: str
    model_digest: str
    task: Task
    outputs: tuple[str, ...]
    label_group: str
    columns: Columns
    unasked: tuple[str, ...]
    thresholds: Mapping[str, float]
    temperature: float

    @property
    def exclusive(self) -> bool:
        """Whether exactly one class is called."""
        return self.task is Task.MULTICLASS

    def to_json(self) -> dict[str, Any]:
        """For the operation's durable state, which keeps no order of names."""
        return {
            **vars(self),
            "work": self.work.to_json(),
            "task": self.task.value,
            "columns": list(self.columns.items()),
        }

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Part:
        """The inverse of `to_json`."""
        changed = {
            "work": PinnedWork.from_json(value["work"]),
            "task": Task(value["task"]),
            "outputs": tuple(value["outputs"]),
            "columns": {label: tuple(outputs) for label, outputs in value["columns"]},
            "unasked": tuple(value["unasked"]),
        }
        return Part(**{**value, **changed})


@dataclass(frozen=True)
class _Split:
    pinned: SplitRef
    snapshot: Snapshot
    records: int


def parts_of(context: OperationContext, scorer: SplitScorer, wish: EvaluationWish) -> tuple[Part, ...]:
    """Every model on every split; where thresholds are chosen comes first.

    Everything is looked up before anything is scored, so that what cannot be measured is said at once.

    Raises:
        PrecordiaError: a model, a dataset, a split or a label is not there.
    """
    versions = [scorer.version(context, ref) for ref in wish.models]
    if len({version.ref for version in versions}) < len(versions):
        raise InvalidArgument("Two of the models are the same version now; name each once.", field="further_models")
    _check_answers(wish.answers, versions)
    choosing = [] if wish.thresholds is None else [wish.thresholds.split]
    splits = [_Split(*scorer.open(context, split)) for split in (*choosing, *wish.splits)]
    if len({split.pinned for split in splits}) < len(splits):
        raise InvalidArgument("Two of the splits are the same records; name each once.", field="further_splits")
    parts: list[Part] = []
    for number, split in enumerate(splits):
        for version in versions:
            part = _part(version, split, wish)
            first = parts[-1].first + parts[-1].records if parts else 0
            parts.append(replace(part, first=first, chooses=number < len(choosing)))
    _say_groups(context, parts)
    return tuple(parts)


def _check_answers(answers: Sequence[LabelAnswer], versions: Sequence[ModelVersion]) -> None:
    """Refuses outputs that none of the models has: a slip of the pen must not change figures without a word."""
    there = dict.fromkeys(name for version in versions for name in version.manifest.output_names)
    for answer in answers:
        unknown = [name for name in answer.outputs if name not in there]
        if unknown:
            raise InvalidArgument(
                f"{answer.label} is to be answered by {', '.join(unknown)}, which no model here gives; "
                f"there are: {', '.join(there)}.",
                field="answers",
            )


def _part(version: ModelVersion, split: _Split, wish: EvaluationWish) -> Part:
    manifest, points = version.manifest, OperatingPoints.of(version)
    group = label_group(version, split.snapshot, wish.label_group, wish.answers)
    columns = columns_of(manifest.output_names, wish.answers)
    labelled = manifest.task is not Task.REGRESSION
    if wish.thresholds is not None and not labelled:
        raise InvalidArgument(f"{version.ref} gives values; thresholds are for scores.", field="thresholds")
    return Part(
        work=PinnedWork(version.ref, split.pinned),
        chooses=False,
        first=0,
        records=split.records,
        snapshot_digest=split.snapshot.digest,
        model_digest=version.digest,
        task=manifest.task,
        outputs=manifest.output_names,
        label_group=group,
        columns=columns,
        unasked=unasked_labels(columns, group_labels(split.snapshot, group)) if labelled else (),
        thresholds=points.thresholds,
        temperature=points.temperature,
    )


def _say_groups(context: OperationContext, parts: list[Part]) -> None:
    for part in parts:
        if part.task is not Task.REGRESSION:
            said = f"Scores of {part.work.model} are held against {labels_of(part.label_group)}."
            context.emit("log", {"message": said, "label_group": part.label_group})
