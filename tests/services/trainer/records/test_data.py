import os
import resource
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from precordia.dataset import ShardTicket
from precordia.errors import FailedPrecondition, InvalidTrainingSpec, ServiceUnavailable, StorageFull
from precordia.leads import STANDARD_LEADS
from precordia.manifest import Task
from precordia.record import Signal, Unit
from precordia.signal import condition
from precordia.steps import Step
from services.trainer.records import data
from services.trainer.records.cache import check_room, clear_cache
from services.trainer.records.data import (
    Split,
    check_filled,
    complete_groups,
    conditioned_split,
    decided_task,
    examples,
)
from tests.services.trainer import synthetic

RECORDS = synthetic.records(10)


async def fetched(
    records: list[synthetic.ShardRecord], folder: Path, **changes: object
) -> tuple[Split, synthetic.ShardsInMemory]:
    plan, shards = synthetic.plan(records, **changes), synthetic.ShardsInMemory(records)
    split = await conditioned_split(shards, plan.splits["train"], plan.manifest(), folder, lambda done, total: None)
    return split, shards


async def test_samples_are_what_conditioning_gives(tmp_path: Path) -> None:
    split, _ = await fetched(RECORDS, tmp_path)
    manifest = synthetic.plan(RECORDS).manifest()
    for row, record in enumerate(RECORDS):
        assert np.array_equal(split.x[row], condition(record.signal, manifest).x[0])
    assert list(split.recording_ids) == [record.recording_id for record in RECORDS]
    assert split.columns("shape", ("WIDE", "FAST", "TALL"))[:4].tolist() == [[0, 0, 0], [0, 1, 0], [1, 0, 0], [1, 1, 0]]


async def test_the_second_time_nothing_is_fetched(tmp_path: Path) -> None:
    first, shards = await fetched(RECORDS, tmp_path)
    again, untouched = await fetched(RECORDS, tmp_path)
    assert shards.read == ["shard-0", "shard-1"]
    assert untouched.read == []
    assert np.array_equal(first.x, again.x)
    assert isinstance(again.x, np.memmap)


async def test_a_snapshot_that_is_another_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    plan, shards = synthetic.plan(RECORDS), synthetic.ShardsInMemory(RECORDS)
    pinned = replace(plan.splits["train"], digest="e" * 64)
    with pytest.raises(FailedPrecondition, match="changed"):
        await conditioned_split(shards, pinned, plan.manifest(), tmp_path, lambda done, total: None)
    assert list(tmp_path.iterdir()) == []


async def test_long_records_give_several_windows(tmp_path: Path) -> None:
    long = synthetic.ecg(fast=True, wide=False, generator=np.random.default_rng(0), duration_s=9.0)
    records = [*RECORDS[:2], replace(RECORDS[2], signal=replace(RECORDS[2].signal, values=long))]
    split, _ = await fetched(records, tmp_path)
    assert split.record.tolist() == [0, 1, 2, 2, 2]


async def test_records_that_cannot_be_conditioned_are_left_out_and_counted(tmp_path: Path) -> None:
    limb = RECORDS[3].signal
    short = Signal(limb.values[:3], limb.leads[:3], limb.sample_rate_hz)
    split, _ = await fetched([*RECORDS[:3], replace(RECORDS[3], signal=short)], tmp_path)
    told: list[str] = []
    kept = examples(
        split, task=Task.MULTILABEL, group="shape", labels=("FAST",), auxiliary={}, tell=told.append, role="train"
    )
    assert len(kept) == 3
    assert told == ["1 records of the train part were left out: they could not be conditioned (MISSING_LEAD)."]


async def test_a_record_without_an_optional_lead_is_taken_with_zeros_in_its_place(tmp_path: Path) -> None:
    whole = RECORDS[3].signal
    kept = tuple(lead for lead in whole.leads if lead != "V1")
    lacking = Signal(np.delete(whole.values, STANDARD_LEADS.index("V1"), axis=0), kept, whole.sample_rate_hz)
    records = [*RECORDS[:3], replace(RECORDS[3], signal=lacking)]
    complete, _ = await fetched(RECORDS[:4], tmp_path / "complete")
    split, _ = await fetched(records, tmp_path / "lacking", optional_leads=("V1",))
    expected = np.array(complete.x)
    expected[3, STANDARD_LEADS.index("V1")] = 0.0
    np.testing.assert_array_equal(split.x, expected)
    assert split.left_out == {}


async def test_a_part_of_which_nothing_is_left_is_refused_with_the_reason(tmp_path: Path) -> None:
    limb = [replace(one, signal=Signal(one.signal.values[:3], one.signal.leads[:3], 100.0)) for one in RECORDS]
    applied = (Step("z_score", 1, {"by": "record"}),)
    scaled = [replace(one, signal=replace(one.signal, unit=Unit.STANDARDISED, applied=applied)) for one in RECORDS]
    for number, (records, wanted) in enumerate([(limb, "MISSING_LEAD"), (scaled, "--conditioning")]):
        split, _ = await fetched(records, tmp_path / str(number))
        with pytest.raises(InvalidTrainingSpec, match=wanted) as refused:
            check_filled(split, "test")
        assert refused.value.message.startswith("The test part is empty: ")
        assert refused.value.field == "test"
    check_filled((await fetched(RECORDS, tmp_path / "whole"))[0], "test")


async def test_no_opinion_is_left_out_and_none_of_the_labels_is_an_opinion(tmp_path: Path) -> None:
    records = [RECORDS[0], replace(RECORDS[1], targets={}), *RECORDS[2:5]]
    split, _ = await fetched(records, tmp_path)
    told: list[str] = []
    kept = examples(
        split, task=Task.MULTILABEL, group="shape", labels=("FAST",), auxiliary={}, tell=told.append, role="test"
    )
    assert list(kept.recording_ids) == ["rec-0000", "rec-0002", "rec-0003", "rec-0004"]
    assert kept.y.ravel().tolist() == [0, 0, 1, 0]
    assert told == ["1 records of the test part were left out: no usable label."]
    assert complete_groups(split, {"speed": ("QUICK",)}, told.append) == {}


async def test_the_task_follows_from_the_labels(tmp_path: Path) -> None:
    split, _ = await fetched(RECORDS, tmp_path)
    assert decided_task(split, "speed", ("QUICK", "SLOW")) is Task.MULTICLASS
    assert decided_task(split, "shape", ("FAST", "WIDE")) is Task.MULTILABEL


async def test_numeric_targets_are_values(tmp_path: Path) -> None:
    split, _ = await fetched([*RECORDS[:4], replace(RECORDS[4], numeric={})], tmp_path)
    kept = examples(
        split, task=Task.REGRESSION, group="", labels=("rate_bpm",), auxiliary={}, tell=lambda said: None, role="train"
    )
    np.testing.assert_allclose(kept.y.ravel(), [60 / 0.95, 60 / 0.45, 60 / 0.95, 60 / 0.45], rtol=1e-6)
    with pytest.raises(InvalidTrainingSpec, match="usable label"):
        examples(split, task=Task.REGRESSION, group="", labels=("age",), auxiliary={}, tell=print, role="train")


async def test_the_cache_keeps_to_its_size(tmp_path: Path) -> None:
    await fetched(RECORDS, tmp_path)
    clear_cache(tmp_path, 1 << 30)
    assert len(list(tmp_path.iterdir())) == 1
    clear_cache(tmp_path, 1000)
    assert list(tmp_path.iterdir()) == []


def test_what_a_dead_worker_left_half_filled_is_removed(tmp_path: Path) -> None:
    for name, age_s in (("filling-old", 7200), ("filling-now", 0)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.f32").touch()
        for path in (tmp_path / name / "x.f32", tmp_path / name):
            os.utime(path, (time.time() - age_s,) * 2)
    clear_cache(tmp_path, 1 << 30)
    assert [folder.name for folder in tmp_path.iterdir()] == ["filling-now"]


def test_a_jobs_own_data_stays_however_large_it_is(tmp_path: Path) -> None:
    for number, name in enumerate(("own", "older", "newer")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.f32").write_bytes(bytes(600))
        os.utime(tmp_path / name, (number, number))
    clear_cache(tmp_path, 1200, {"own"})
    assert {folder.name for folder in tmp_path.iterdir()} == {"own", "newer"}
    clear_cache(tmp_path, 0, {"own"})
    assert {folder.name for folder in tmp_path.iterdir()} == {"own"}


async def test_threads_do_not_change_what_is_kept(tmp_path: Path) -> None:
    limb = RECORDS[0].signal
    records = synthetic.records(40)
    records[7] = replace(records[7], signal=Signal(limb.values[:3], limb.leads[:3], limb.sample_rate_hz))
    plan, split = synthetic.plan(records), synthetic.plan(records).splits["train"]
    whole = []
    for threads in (1, 3):
        shards = synthetic.ShardsInMemory(records)
        cache = tmp_path / str(threads)
        whole.append(
            await conditioned_split(shards, split, plan.manifest(), cache, lambda done, total: None, threads=threads)
        )
    assert len(whole[0]) == 39
    assert np.array_equal(whole[0].x, whole[1].x)
    assert list(whole[0].recording_ids) == list(whole[1].recording_ids)
    assert whole[0].left_out == whole[1].left_out == {"MISSING_LEAD": 1}
    np.testing.assert_array_equal(whole[0].x[7], condition(records[8].signal, plan.manifest()).x[0])


async def test_patients_are_numbers_and_one_without_a_key_is_one_of_its_own(tmp_path: Path) -> None:
    records = [replace(record, patient_key="") if row in (1, 8) else record for row, record in enumerate(RECORDS)]
    split, _ = await fetched(records, tmp_path)
    numbers = split.patients
    assert numbers.min() == 1
    assert numbers[2] == numbers[3] != numbers[4]
    assert len(set(numbers.tolist())) == 7  # patients 0 to 4, and two that nobody knows
    assert split.patient_keys[2] == "patient 1"


class CutOff(synthetic.ShardsInMemory):
    """Ingest behind a connection that breaks now and then."""

    def __init__(self, records: list[synthetic.ShardRecord], failures: int) -> None:
        super().__init__(records)
        self.failures = failures

    async def read_shard(self, ticket: ShardTicket) -> bytes:
        if ticket.shard_id == "shard-1" and self.failures:
            self.failures -= 1
            raise ServiceUnavailable("The service cannot be reached; is it running?")
        return await super().read_shard(ticket)


async def test_a_shard_whose_stream_breaks_is_asked_for_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "_SHARD_PAUSE_S", 0.01)
    plan, shards = synthetic.plan(RECORDS), CutOff(RECORDS, 2)
    split = await conditioned_split(shards, plan.splits["train"], plan.manifest(), tmp_path, lambda done, total: None)
    assert len(split) == 10
    assert shards.read == ["shard-0", "shard-1"]


async def test_an_ingest_that_stays_away_leaves_no_half_of_a_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "_SHARD_PAUSE_S", 0.01)
    plan, shards = synthetic.plan(RECORDS), CutOff(RECORDS, 99)
    with pytest.raises(ServiceUnavailable):
        await conditioned_split(shards, plan.splits["train"], plan.manifest(), tmp_path, lambda done, total: None)
    assert list(tmp_path.iterdir()) == []


class Asked(Exception):
    """Whoever watched the progress wants the end."""


async def test_who_watches_the_progress_can_end_it(tmp_path: Path) -> None:
    plan, shards = synthetic.plan(RECORDS), synthetic.ShardsInMemory(RECORDS)

    def stop(done: int, total: int) -> None:
        assert (done, total) == (5, 10)
        raise Asked

    with pytest.raises(Asked):
        await conditioned_split(shards, plan.splits["train"], plan.manifest(), tmp_path, stop)
    assert list(tmp_path.iterdir()) == []


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """As a disk that fills up: a write beyond fails."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_a_disk_that_fills_up_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    with files_of_at_most(30_000), pytest.raises(StorageFull, match="cache_folder"):
        await fetched(RECORDS, tmp_path)
    assert list(tmp_path.iterdir()) == []
    split, _ = await fetched(RECORDS, tmp_path)
    assert len(split) == 10


def test_what_cannot_fit_is_refused_before_it_is_fetched(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    check_room(tmp_path / "not yet there" / "cache", free // 2)
    with pytest.raises(StorageFull, match=r"needs .* GiB, and .* are free") as refused:
        check_room(tmp_path, free * 2)
    assert int(refused.value.details["needed_bytes"]) == free * 2


def _cut(folder: Path) -> None:
    samples = folder / "x.f32"
    samples.write_bytes(samples.read_bytes()[:-4])


def _emptied(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()


def _scrambled(folder: Path) -> None:
    column = folder / "0000.column"
    column.write_bytes(column.read_bytes()[::-1])


@pytest.mark.parametrize("harm", [_cut, _emptied, _scrambled])
async def test_a_damaged_cache_is_fetched_again(tmp_path: Path, harm: Callable[[Path], None]) -> None:
    first, _ = await fetched(RECORDS, tmp_path)
    wanted = np.array(first.x)
    (folder,) = tmp_path.iterdir()
    harm(folder)
    again, shards = await fetched(RECORDS, tmp_path)
    assert shards.read == ["shard-0", "shard-1"]
    assert np.array_equal(again.x, wanted)
    _, untouched = await fetched(RECORDS, tmp_path)
    assert untouched.read == []


async def test_a_part_without_records_is_refused_with_what_to_do(tmp_path: Path) -> None:
    shards = synthetic.ShardsInMemory(RECORDS)
    shards.parts = {}
    plan = synthetic.plan(RECORDS)
    split = await conditioned_split(shards, plan.splits["train"], plan.manifest(), tmp_path, lambda done, total: None)
    assert (len(split), split.x.shape) == (0, (0, 12, 200))
    with pytest.raises(InvalidTrainingSpec, match="choose another dataset or split"):
        check_filled(split, "train")
