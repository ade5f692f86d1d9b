"""What a shard says is true of its records."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from precordia.manifest import Task
from precordia.shard import Shard
from services.inference.keeping.store import Truth


def truths_of(shard: Shard, task: Task, group: str, names: Sequence[str]) -> list[Truth]:
    """What a shard says of its records: labels of a group, or values by name for regression.

    A record without a patient key counts as a patient of its own.
    """
    patients = [
        key or f"recording {recording}" for key, recording in zip(shard.patients, shard.recording_ids, strict=True)
    ]
    people: list[dict[str, Any]] = [
        {"patient": patient, "age_years": age, "sex": sex.value if sex else ""}
        for patient, age, sex in zip(patients, shard.ages, shard.sexes, strict=True)
    ]
    if task is Task.REGRESSION:
        columns = {name: shard.numeric(name).tolist() for name in names}
        rows = [{name: column[row] for name, column in columns.items()} for row in range(shard.records)]
        known = [{name: value for name, value in row.items() if math.isfinite(value)} for row in rows]
        return [Truth((), values, labelled=bool(values), **who) for values, who in zip(known, people, strict=True)]
    return [
        Truth(labels, {}, labelled=bool(labelled), **who)
        for labels, who, labelled in zip(shard.labels(group), people, shard.known(group), strict=True)
    ]
