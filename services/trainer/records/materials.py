"""Materials of a run: every split fetched and conditioned, the task decided, the validation part drawn."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from precordia.client import connect
from precordia.errors import StorageFull, Unavailable
from precordia.manifest import Manifest, Task
from services.trainer.job.workplace import Stopped, Workplace
from services.trainer.planning.data_checks import shared_patients
from services.trainer.planning.plan import TRAIN, VALIDATION, Plan
from services.trainer.records.cache import cache_name, clear_cache
from services.trainer.records.data import (
    Split,
    check_filled,
    complete_groups,
    conditioned_split,
    decided_task,
    examples,
    is_cached,
)
from services.trainer.records.examples import Examples, draw_validation

_FETCH_TRIES = 60
_PAUSE_S = 5.0
_LOOK_EVERY_S = 0.2


@dataclass(frozen=True, eq=False)
class Materials:
    """Examples by role, and what was decided from them.

    `scale` and `offset` undo what regression targets went through; empty for classification.
    """

    task: Task
    parts: Mapping[str, Examples]
    auxiliary: Mapping[str, tuple[str, ...]]
    scale: tuple[float, ...] = ()
    offset: tuple[float, ...] = ()


async def gather(plan: Plan, place: Workplace) -> Materials:
    """Fetch and condition every split, decide the task, draw the validation part.

    Raises:
        Stopped: the job was asked to stop.
        PrecordiaError: a split cannot be had, or nothing can be learnt from it.
    """
    splits = await fetch(plan, place)
    for role, split in splits.items():
        check_filled(split, role)
    training = splits[TRAIN]
    for warning in shared_patients({role: split.patient_keys.encoded for role, split in splits.items()}):
        place.tell(warning)
    task = plan.task or decided_task(training, plan.label_group, plan.labels)
    if plan.task is None:
        place.tell(f"The task is {task.value}, by the labels of the training records.")
    auxiliary = complete_groups(training, plan.auxiliary, place.tell)
    parts = {
        role: examples(
            split,
            task=task,
            group=plan.label_group,
            labels=plan.labels,
            auxiliary=auxiliary if role == TRAIN else {},
            tell=place.tell,
            role=role,
            co_inputs=plan.co_inputs,
        )
        for role, split in splits.items()
    }
    return _standardised(task, _with_validation(plan, parts, place), auxiliary)


async def fetch(plan: Plan, place: Workplace) -> dict[str, Split]:
    """Every split of the plan by its role, conditioned and in the cache, which is then kept to its size."""
    manifest = plan.manifest()
    splits = {role: await _split(plan, role, manifest, place) for role in plan.splits}
    own = {cache_name(split, manifest) for split in plan.splits.values()}
    clear_cache(place.cache.folder, place.cache.keep_bytes, own)
    return splits


async def _split(plan: Plan, role: str, manifest: Manifest, place: Workplace) -> Split:
    """One split; an ingest that is away for a while is waited for."""
    if not is_cached(plan.splits[role], manifest, place.cache.folder):
        place.tell(f"Fetching and conditioning the {role} part.")

    def progress(done: int, total: int) -> None:
        if place.should_stop():
            raise Stopped
        place.report("preparing", {"part": role, "done": done, "total": total})

    for patience in range(_FETCH_TRIES, -1, -1):
        try:
            async with connect() as precordia:
                return await conditioned_split(
                    precordia.ingest,
                    plan.splits[role],
                    manifest,
                    place.cache.folder,
                    progress,
                    threads=plan.threads,
                )
        except StorageFull:
            raise  # waiting makes no room
        except Unavailable:
            if not patience:
                raise
            await _pause(place)
    raise AssertionError("unreachable: the last try returns or raises")


async def _pause(place: Workplace) -> None:
    for _ in range(round(_PAUSE_S / _LOOK_EVERY_S)):
        if place.should_stop():
            raise Stopped
        await asyncio.sleep(_LOOK_EVERY_S)


def _with_validation(plan: Plan, parts: dict[str, Examples], place: Workplace) -> dict[str, Examples]:
    if VALIDATION not in parts and not plan.recipe.folds:  # each fold is validated on what it held out
        whole = parts[TRAIN]
        training, validation = draw_validation(
            whole.y, whole.patients, fraction=plan.recipe.validation_fraction, seed=plan.seed
        )
        parts |= {TRAIN: whole.only(training), VALIDATION: whole.only(validation)}
    sizes = ", ".join(f"{len(part)} for {role}" for role, part in parts.items())
    place.tell(f"Records: {sizes}.")
    return parts


def _standardised(task: Task, parts: Mapping[str, Examples], auxiliary: Mapping[str, tuple[str, ...]]) -> Materials:
    """Regression targets as deviations from the training records' mean; classes as they are."""
    if task is not Task.REGRESSION:
        return Materials(task, parts, auxiliary)
    y = parts[TRAIN].y
    offset, scale = y.mean(axis=0), np.where(y.std(axis=0) > 0, y.std(axis=0), 1.0).astype(np.float32)
    changed = {role: replace(part, y=(part.y - offset) / scale) for role, part in parts.items()}
    return Materials(task, changed, auxiliary, tuple(map(float, scale)), tuple(map(float, offset)))
