"""Data: a split of a snapshot, fetched from ingest, conditioned once, kept as memory-mapped arrays.

A cache folder is named after the snapshot's digest, the split and the manifest's conditioning
digest: what is in it can never be out of date. It appears whole, by one rename. Shards come in one
after the other; while one is conditioned, the next is on its way, and nothing else is in memory.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from precordia.client.ingest import IngestClient
from precordia.dataset import ShardTicket
from precordia.errors import (
    ChecksumMismatch,
    ConditioningConflict,
    FailedPrecondition,
    InternalError,
    InvalidTrainingSpec,
    Unavailable,
)
from precordia.manifest import CoInputs, Manifest, Task
from precordia.record import Sex
from precordia.shard import Shard, decode_shard
from services.trainer.planning.plan import PinnedSplit
from services.trainer.records.cache import FILLING, cache_name, check_room, full_disk_is_said, needed_bytes, touch
from services.trainer.records.columns import Columns, ColumnsWriter, DamagedColumns, Texts, encoded, mapped, synced
from services.trainer.records.conditioning import ShardConditioner
from services.trainer.records.examples import Examples, Rows

Tell = Callable[[str], None]
Progress = Callable[[int, int], None]

_SAMPLES = "x.f32"
_SHARD_TRIES = 4
_SHARD_PAUSE_S = 1.0
_SEXES = (None, Sex.FEMALE, Sex.MALE)
"""What the numbers in the column of sexes mean."""


@dataclass(frozen=True, eq=False)
class Split:
    """A conditioned split: samples, and a table of every label that its records have.

    Attributes:
        x: float32 (windows, leads, samples), memory-mapped.
        record: int64 (windows,), ascending.
        table: a row a record: "id", "patient", "age", "sex", "windows"; "known", group: whether a
            record has an opinion on the group; "label", group, label: uint8; "numeric", name: NaN
            where a record has no value.
        left_out: reason -> records that could not be conditioned.
    """

    x: NDArray[np.float32]
    record: Rows
    table: Columns
    left_out: Mapping[str, int]

    def __len__(self) -> int:
        return self.table.rows

    @property
    def recording_ids(self) -> Texts:
        """Of each record."""
        return self._texts("id")

    @property
    def patient_keys(self) -> Texts:
        """Of each record; empty where the patient is not known."""
        return self._texts("patient")

    @property
    def patients(self) -> Rows:
        """Patients as numbers from 1 on, int64 (records,); one without a key is a patient of its own."""
        keys = self.patient_keys.encoded
        known = keys != b""
        numbers = np.empty(len(keys), dtype=np.int64)
        names, numbers[known] = np.unique(keys[known], return_inverse=True)
        numbers[~known] = len(names) + np.arange(int((~known).sum()))
        return numbers + 1

    @property
    def ages_years(self) -> NDArray[np.float64]:
        """Of each record's patient, NaN where not known."""
        return self.numbers("age")

    def numbers(self, *name: str) -> NDArray[np.float64]:
        """A column of numbers, NaN where a record has none."""
        return self.table.read(*name) if name in self.table else np.full(len(self), np.nan)

    def columns(self, group: str, labels: Sequence[str]) -> NDArray[np.float32]:
        """Targets in the given order, float32 (records, labels); a label without records is 0."""
        result = np.zeros((len(self), len(labels)), dtype=np.float32)
        for column, label in enumerate(labels):
            if ("label", group, label) in self.table:
                result[:, column] = self.table.read("label", group, label)
        return result

    def knows(self, group: str) -> NDArray[np.bool_]:
        """Which records have an opinion on the group."""
        if ("known", group) not in self.table:
            return np.zeros(len(self), dtype=np.bool_)
        return self.table.read("known", group).astype(np.bool_)

    def beside(self, co_inputs: CoInputs | None) -> NDArray[np.float32] | None:
        """What a model takes beside the ECGs, float32 (records, co-inputs), or None."""
        if co_inputs is None:
            return None
        sexes = self.table.read("sex").astype(np.int64) if len(self) else np.zeros(0, np.int64)
        ages = self.ages_years
        people = np.stack([np.isnan(ages), np.nan_to_num(ages), sexes], axis=1)
        different, number = np.unique(people, axis=0, return_inverse=True)
        rows = [co_inputs.row(None if no_age else float(age), _SEXES[int(sex)]) for no_age, age, sex in different]
        made = np.array(rows, dtype=np.float32).reshape(-1, len(co_inputs.columns))
        result: NDArray[np.float32] = made[number.reshape(-1)]
        return result

    def _texts(self, name: str) -> Texts:
        return Texts(self.table.read(name) if (name,) in self.table else np.zeros(0, "S1"))


async def conditioned_split(
    ingest: IngestClient,
    pinned: PinnedSplit,
    manifest: Manifest,
    cache: Path,
    progress: Progress,
    *,
    threads: int = 1,
) -> Split:
    """The split as a model of this manifest takes it, from the cache or from ingest.

    `progress` is called with records done and records in all; what it raises ends the work.

    Raises:
        FailedPrecondition: the snapshot is not the one that the plan names.
        StorageFull: there is no room for it.
        SnapshotNotFound, ServiceUnavailable ...: ingest cannot give it.
    """
    folder = cache / cache_name(pinned, manifest)
    found = _opened(folder, manifest)
    if found is None:
        await _fill(ingest, pinned, manifest, folder, progress, threads)
        found = _opened(folder, manifest)
    if found is None:
        raise InternalError("What was written into the trainer's cache cannot be read back; is its disk sound?")
    touch(folder)
    return found


def is_cached(pinned: PinnedSplit, manifest: Manifest, cache: Path) -> bool:
    """Whether nothing of the split needs to be fetched."""
    return (cache / cache_name(pinned, manifest)).exists()


async def _fill(
    ingest: IngestClient, pinned: PinnedSplit, manifest: Manifest, folder: Path, progress: Progress, threads: int
) -> None:
    snapshot, tickets = await ingest.open_snapshot(pinned.ref)
    if snapshot.digest != pinned.digest:
        raise FailedPrecondition("The snapshot changed since the job began; start the job again.")
    total = sum(ticket.records for ticket in tickets)
    check_room(folder.parent, needed_bytes(total, manifest))
    with full_disk_is_said():
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=FILLING, dir=folder.parent))
    try:
        with full_disk_is_said():
            await _write(ingest, tickets, manifest, temporary, lambda done: progress(done, total), threads)
            _into_place(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


async def _write(
    ingest: IngestClient,
    tickets: Sequence[ShardTicket],
    manifest: Manifest,
    folder: Path,
    progress: Callable[[int], None],
    threads: int,
) -> None:
    """Condition every shard into the folder; one is worked on while the next comes in."""
    table, left_out, done = ColumnsWriter(folder), Counter[str](), 0
    coming: asyncio.Task[bytes] | None = None
    with ShardConditioner(manifest, threads) as conditioner, (folder / _SAMPLES).open("wb") as samples:

        def take(shard: Shard) -> None:
            taken = conditioner.run(shard, samples)
            left_out.update(taken.left_out)
            table.append(len(taken.kept), _rows(shard, taken.kept, taken.windows))

        try:
            for number, _ in enumerate(tickets):
                data = await (coming or asyncio.ensure_future(_read(ingest, tickets[number])))
                behind = tickets[number + 1 : number + 2]
                coming = asyncio.ensure_future(_read(ingest, behind[0])) if behind else None
                shard = decode_shard(data)
                await asyncio.to_thread(take, shard)
                done += shard.records
                progress(done)
        finally:
            if coming is not None:
                coming.cancel()
    synced(folder / _SAMPLES)
    table.close({"left_out": dict(left_out)})


async def _read(ingest: IngestClient, ticket: ShardTicket) -> bytes:
    """A shard's bytes; one whose stream is cut off is asked for again before all is given up."""
    for tries in range(1, _SHARD_TRIES):
        try:
            return await ingest.read_shard(ticket)
        except (Unavailable, ChecksumMismatch):
            await asyncio.sleep(_SHARD_PAUSE_S * tries)
    return await ingest.read_shard(ticket)


def _into_place(temporary: Path, folder: Path) -> None:
    try:
        temporary.rename(folder)
    except OSError:
        if not folder.exists():  # another worker filled the same cache meanwhile
            raise


def _rows(shard: Shard, kept: Rows, windows: Rows) -> dict[tuple[str, ...], NDArray[np.generic]]:
    """What is true of a shard's kept records, column by column."""
    ages = np.array([np.nan if age is None else age for age in shard.ages], dtype=np.float64)
    columns: dict[tuple[str, ...], NDArray[np.generic]] = {
        ("id",): encoded(shard.recording_ids)[kept],
        ("patient",): encoded(shard.patients)[kept],
        ("age",): ages[kept],
        ("sex",): np.array([_SEXES.index(sex) for sex in shard.sexes], dtype=np.int8)[kept],
        ("windows",): windows,
    }
    for group, labels in shard.groups.items():
        known = shard.known(group)
        columns["known", group] = known[kept]
        matrix = shard.targets(group) * known[:, None].astype(np.uint8)
        columns |= {("label", group, label): matrix[kept, index] for index, label in enumerate(labels)}
    for name in shard.numeric_names:
        values = shard.numeric(name)
        columns["numeric", name] = np.where(np.isfinite(values), values, np.nan)[kept]
    return columns


def _opened(folder: Path, manifest: Manifest) -> Split | None:
    """The split in a cache folder; None where there is none, or a damaged one, which is then removed."""
    if not folder.exists():
        return None
    try:
        table = Columns(folder)
        windows = table.read("windows") if table.rows else np.zeros(0, np.int64)
        shape = (int(windows.sum()), len(manifest.input.leads), manifest.input.samples)
        if (folder / _SAMPLES).stat().st_size != 4 * int(np.prod(shape)):
            raise DamagedColumns
        left_out = {str(reason): int(count) for reason, count in table.facts["left_out"].items()}
    except (DamagedColumns, OSError, KeyError, ValueError, AttributeError):
        shutil.rmtree(folder, ignore_errors=True)
        return None
    x = mapped(folder / _SAMPLES, np.dtype("<f4"), shape)
    return Split(x, np.repeat(np.arange(table.rows), windows), table, left_out)


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
        InvalidTrainingSpec: none does, or there is none.
    """
    usable: NDArray[np.bool_]
    if task is Task.REGRESSION:
        y = np.stack([split.numbers("numeric", name) for name in labels], axis=1).astype(np.float32)
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


def check_filled(split: Split, role: str) -> None:
    """Refuse a part of which nothing is left.

    Raises:
        InvalidTrainingSpec: the message says why, and what to do.
    """
    if len(split):
        return
    if not split.left_out:
        why = "no record is in it; choose another dataset or split"
    elif set(split.left_out) == {ConditioningConflict.reason}:
        why = (
            "its records came filtered or standardised otherwise than the model needs them. Import the original "
            "recordings, or give steps that fit these (--conditioning)"
        )
    else:
        why = f"no record could be conditioned as the model needs it ({', '.join(split.left_out)})"
    raise InvalidTrainingSpec(f"The {role} part is empty: {why}.", field=role)


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
