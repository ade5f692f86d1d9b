"""Data: a split of a snapshot, fetched from ingest, conditioned once, kept as memory-mapped arrays.

A cache folder is named after the snapshot's digest, the split and the manifest's conditioning
digest: what is in it can never be out of date. It appears whole, by one rename.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from precordia.client.ingest import IngestClient
from precordia.errors import FailedPrecondition, InvalidTrainingSpec, PrecordiaError
from precordia.manifest import CoInputs, Manifest, Task
from precordia.record import Sex
from precordia.shard import Shard, decode_shard
from precordia.signal import condition
from services.trainer.examples import Examples
from services.trainer.plan import PinnedSplit

Tell = Callable[[str], None]
_LONGEST_NAME = 32
_FILLING = "filling-"
_FILLING_ENDS_S = 3600.0
_LAYOUT = 2  # of what a cache folder holds


@dataclass(frozen=True, eq=False)
class Split:
    """A conditioned split: samples, and every label that its records have.

    Attributes:
        x: float32 (windows, leads, samples), memory-mapped.
        record: int64 (windows,), ascending.
        targets: group -> uint8 (records, labels).
        known: group -> bool (records,): whether a record has an opinion on the group.
        labels: group -> names of the columns.
        numeric: name -> float64 (records,), NaN where a record has no value.
        left_out: reason -> records that could not be conditioned.
        ages_years, sexes: of each record's patient, None where not known.
    """

    x: NDArray[np.float32]
    record: NDArray[np.int64]
    targets: Mapping[str, NDArray[np.uint8]]
    known: Mapping[str, NDArray[np.bool_]]
    labels: Mapping[str, Sequence[str]]
    numeric: Mapping[str, NDArray[np.float64]]
    patients: Sequence[str]
    recording_ids: Sequence[str]
    left_out: Mapping[str, int]
    ages_years: Sequence[float | None]
    sexes: Sequence[Sex | None]

    def columns(self, group: str, labels: Sequence[str]) -> NDArray[np.float32]:
        """Targets in the given order, float32 (records, labels); a label without records is 0."""
        here = {label: index for index, label in enumerate(self.labels.get(group, ()))}
        result = np.zeros((len(self.recording_ids), len(labels)), dtype=np.float32)
        for column, label in enumerate(labels):
            if label in here:
                result[:, column] = self.targets[group][:, here[label]]
        return result

    def knows(self, group: str) -> NDArray[np.bool_]:
        """Which records have an opinion on the group."""
        return self.known.get(group, np.zeros(len(self.recording_ids), dtype=np.bool_))

    def beside(self, co_inputs: CoInputs | None) -> NDArray[np.float32] | None:
        """What a model takes beside the ECGs, float32 (records, co-inputs), or None."""
        if co_inputs is None:
            return None
        people = zip(self.ages_years, self.sexes, strict=True)
        return np.array([co_inputs.row(age, sex) for age, sex in people], dtype=np.float32)


@dataclass
class _Columns:
    """What is gathered beside the samples while shards come in."""

    windows: list[int] = field(default_factory=list)
    kept: list[dict[str, Any]] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


async def conditioned_split(
    ingest: IngestClient, pinned: PinnedSplit, manifest: Manifest, cache: Path, progress: Callable[[int, int], None]
) -> Split:
    """The split as a model of this manifest takes it, from the cache or from ingest.

    `progress` is called with records done and records in all.

    Raises:
        FailedPrecondition: the snapshot is not the one that the plan names.
        SnapshotNotFound, ServiceUnavailable ...: ingest cannot give it.
    """
    folder = cache / _cache_name(pinned, manifest)
    if not folder.exists():
        await _fill(ingest, pinned, manifest, folder, progress)
    os.utime(folder)  # the least recently used is cleared first
    return _opened(folder, manifest)


def _cache_name(pinned: PinnedSplit, manifest: Manifest) -> str:
    key = json.dumps([_LAYOUT, pinned.digest, pinned.split, manifest.conditioning_digest()])
    return hashlib.sha256(key.encode()).hexdigest()[:_LONGEST_NAME]


async def _fill(
    ingest: IngestClient, pinned: PinnedSplit, manifest: Manifest, folder: Path, progress: Callable[[int, int], None]
) -> None:
    snapshot, tickets = await ingest.open_snapshot(pinned.ref)
    if snapshot.digest != pinned.digest:
        raise FailedPrecondition("The snapshot changed since the job began; start the job again.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=_FILLING, dir=folder.parent))
    try:
        columns, total = _Columns(), sum(ticket.records for ticket in tickets)
        with (temporary / "x.f32").open("wb") as samples:
            done = 0
            for ticket in tickets:
                shard = decode_shard(await ingest.read_shard(ticket))
                _take(shard, manifest, samples, columns)
                done += shard.records
                progress(done, total)
        (temporary / "records.json").write_text(json.dumps(vars(columns)))
        _into_place(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _into_place(temporary: Path, folder: Path) -> None:
    try:
        temporary.rename(folder)
    except OSError:
        if not folder.exists():  # another worker filled the same cache meanwhile
            raise


def _take(shard: Shard, manifest: Manifest, samples: BinaryIO, columns: _Columns) -> None:
    """Condition the records of a shard; those that cannot be are counted by reason."""
    labels = {group: shard.labels(group) for group in shard.groups}
    known = {group: shard.known(group) for group in shard.groups}
    numeric = {name: shard.numeric(name) for name in shard.numeric_names}
    for row in range(shard.records):
        try:
            conditioned = condition(shard.signal(row), manifest)
        except PrecordiaError as error:
            columns.left_out[error.reason] += 1
            continue
        samples.write(np.ascontiguousarray(conditioned.x, dtype="<f4").data)
        columns.windows.append(len(conditioned.x))
        columns.kept.append(
            {
                "id": shard.recording_ids[row],
                "patient": shard.patients[row],
                "age": shard.ages[row],
                "sex": _said(shard.sexes[row]),
                "labels": {group: labels[group][row] for group in labels if known[group][row]},
                "numeric": {name: values[row] for name, values in numeric.items() if np.isfinite(values[row])},
            }
        )


def _said(sex: Sex | None) -> str:
    return sex.value if sex else ""


def _opened(folder: Path, manifest: Manifest) -> Split:
    said = json.loads((folder / "records.json").read_text())
    kept: list[dict[str, Any]] = said["kept"]
    windows = np.array(said["windows"], dtype=np.int64)
    groups: dict[str, dict[str, int]] = {}
    for record in kept:
        for group, present in record["labels"].items():
            columns = groups.setdefault(group, {})
            for label in present:
                columns.setdefault(label, len(columns))
    names = dict.fromkeys(name for record in kept for name in record["numeric"])
    return Split(
        x=_samples(folder / "x.f32", int(windows.sum()), manifest),
        record=np.repeat(np.arange(len(kept)), windows),
        targets={group: _one_hot(kept, group, columns) for group, columns in groups.items()},
        known={group: np.array([group in record["labels"] for record in kept]) for group in groups},
        labels={group: list(columns) for group, columns in groups.items()},
        numeric={name: np.array([record["numeric"].get(name, np.nan) for record in kept]) for name in names},
        patients=[record["patient"] for record in kept],
        recording_ids=[record["id"] for record in kept],
        left_out=said["left_out"],
        ages_years=[record["age"] for record in kept],
        sexes=[Sex(record["sex"]) if record["sex"] else None for record in kept],
    )


def _samples(path: Path, windows: int, manifest: Manifest) -> NDArray[np.float32]:
    shape = (windows, len(manifest.input.leads), manifest.input.samples)
    if not windows:
        return np.zeros(shape, dtype=np.float32)
    return np.memmap(path, dtype="<f4", mode="r", shape=shape)


def _one_hot(kept: Sequence[Mapping[str, Any]], group: str, columns: Mapping[str, int]) -> NDArray[np.uint8]:
    matrix = np.zeros((len(kept), len(columns)), dtype=np.uint8)
    for row, record in enumerate(kept):
        matrix[row, [columns[label] for label in record["labels"].get(group, ())]] = 1
    return matrix


def clear_cache(cache: Path, keep_bytes: int) -> None:
    """Remove the least recently used splits until the rest fits, and what dead workers left half filled."""
    if not cache.exists():
        return
    for folder in cache.glob(f"{_FILLING}*"):
        if time.time() - max(path.stat().st_mtime for path in (folder, *folder.iterdir())) > _FILLING_ENDS_S:
            shutil.rmtree(folder, ignore_errors=True)
    folders = sorted((folder for folder in cache.iterdir() if folder.is_dir()), key=lambda path: -path.stat().st_mtime)
    total = 0
    for folder in folders:
        total += sum(file.stat().st_size for file in folder.iterdir())
        if total > keep_bytes:
            shutil.rmtree(folder, ignore_errors=True)


def decided_task(split: Split, group: str, labels: Sequence[str]) -> Task:
    """Multiclass where every record that is labelled has exactly one of the labels, else multilabel."""
    given = split.columns(group, labels)[split.knows(group)].sum(axis=1)
    return Task.MULTICLASS if len(labels) > 1 and given.size and bool((given == 1).all()) else Task.MULTILABEL


def examples(
    split: Split,
    *,
    task: Task,
    group: str,
    labels: Sequence[str],
    auxiliary: Mapping[str, Sequence[str]],
    tell: Tell,
    role: str,
    co_inputs: CoInputs | None = None,
) -> Examples:
    """The split's records that say something about the labels, with their targets.

    Raises:
        InvalidTrainingSpec: none does.
    """
    usable: NDArray[np.bool_]
    if task is Task.REGRESSION:
        absent = np.full(len(split.recording_ids), np.nan)
        y = np.stack([split.numeric.get(name, absent) for name in labels], axis=1).astype(np.float32)
        usable = np.logical_and.reduce(np.isfinite(y), axis=1)
    else:
        y = split.columns(group, labels)
        usable = split.knows(group)
        if task is Task.MULTICLASS:
            usable = np.logical_and(usable, y.sum(axis=1) == 1)
    _tell_what_is_left_out(split, usable, role, tell)
    if not usable.any():
        raise InvalidTrainingSpec(f"No record of the {role} part has a usable label.", field=role)
    further = [split.columns(name, columns) for name, columns in auxiliary.items()]
    empty = np.zeros((len(y), 0), dtype=np.float32)
    whole = Examples(
        x=split.x,
        record=split.record,
        y=y,
        auxiliary=np.concatenate([empty, *further], axis=1),
        patients=split.patients,
        recording_ids=split.recording_ids,
        beside=split.beside(co_inputs),
    )
    return whole if usable.all() else whole.only(np.flatnonzero(usable))


def _tell_what_is_left_out(split: Split, usable: NDArray[np.bool_], role: str, tell: Tell) -> None:
    for reason, count in split.left_out.items():
        tell(f"{count} records of the {role} part were left out: they could not be conditioned ({reason}).")
    if not usable.all():
        tell(f"{int((~usable).sum())} records of the {role} part were left out: no usable label.")


def complete_groups(split: Split, auxiliary: Mapping[str, Sequence[str]], tell: Tell) -> dict[str, tuple[str, ...]]:
    """The auxiliary groups that every record has an opinion on; the others cannot be learnt beside."""
    complete = {group: tuple(labels) for group, labels in auxiliary.items() if split.knows(group).all()}
    for group in auxiliary.keys() - complete.keys():
        tell(f"The label group '{group}' is not learnt beside: some records have no opinion on it.")
    return complete
