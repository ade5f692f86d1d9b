"""What was asked to be trained, completed by what the services know."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cli.output import Output
from precordia.catalog import ModelRef
from precordia.client import Connection
from precordia.dataset import Snapshot, SplitRef
from precordia.errors import PrecordiaError
from precordia.manifest import Task
from precordia.training import Method, TrainingSpec

AUTO = "auto"
"""The base that tries several networks."""


@dataclass(frozen=True)
class TrainingWish:
    """The part of a request that is completed: splits, labels, method; empty and None = not said."""

    train: SplitRef
    base: str
    method: Method | None = None
    validation: str = ""
    test: str = ""
    label_group: str = ""


async def spec_of(
    precordia: Connection, output: Output, wish: TrainingWish, settings: TrainingSpec, pinned: SplitRef
) -> TrainingSpec:
    """The whole request. `pinned` is the training split in its snapshot; what is chosen here is said."""
    method = wish.method or await _method(precordia, output, wish.base)
    snapshot = await _snapshot(precordia, pinned)
    _say_whole(output, wish, snapshot)
    return replace(
        settings,
        train=pinned,
        method=method,
        validation=sibling(pinned, wish.validation),
        test=sibling(pinned, wish.test),
        label_group=wish.label_group or _group(output, snapshot, replace(settings, method=method)),
    )


def sibling(train: SplitRef, split: str) -> SplitRef | None:
    """Another split of the same snapshot; `NAME:SPLIT` names one of another dataset."""
    if not split:
        return None
    return SplitRef.parse(split) if ":" in split else SplitRef(train.dataset, split, train.snapshot_id)


async def _method(precordia: Connection, output: Output, base: str) -> Method:
    """Scratch for a network, all layers for a model. A base that is neither is left to the trainer to refuse."""
    if base == AUTO or base in {network.name for network in await precordia.trainer.networks()}:
        return Method.SCRATCH
    try:
        await precordia.registry.get(ModelRef.parse(base))
    except PrecordiaError:
        return Method.ALL
    output.say(f"{base} is a model: all of its layers go on learning (--method head: the last one alone).")
    return Method.ALL


async def _snapshot(precordia: Connection, split: SplitRef) -> Snapshot | None:
    known = await precordia.ingest.snapshots(split.dataset)
    return next((one for one in known if one.snapshot_id == split.snapshot_id), None)


def _say_whole(output: Output, wish: TrainingWish, snapshot: Snapshot | None) -> None:
    """A dataset that has splits and is taken whole leaves nothing to measure the model on."""
    if snapshot is None or wish.train.split or not snapshot.splits:
        return
    names = ", ".join(split.name for split in snapshot.splits)
    output.say(
        f"Learning from all records of {wish.train.dataset}. It has the splits {names}: "
        f"`--dataset {wish.train.dataset}:{snapshot.splits[0].name}` would learn from one of them.",
        "yellow",
    )


def _group(output: Output, snapshot: Snapshot | None, spec: TrainingSpec) -> str:
    """The first group that has all labels asked for, said aloud.

    None for a model that is trained on, which has one of its own, and for numbers, which are in no group.
    """
    groups = snapshot.label_groups if snapshot else ()
    if spec.method is not Method.SCRATCH or spec.task is Task.REGRESSION:
        return ""
    fitting = [group for group in groups if set(spec.labels) <= {label for label, _ in group.labels}]
    if not fitting:
        return ""  # the trainer says which labels there are
    if len(groups) > 1:
        others = ", ".join(group.name or "(no name)" for group in groups if group is not fitting[0])
        output.say(f"Learning the labels of group {fitting[0].name or '(no name)'}; others are: {others}.")
    return fitting[0].name
