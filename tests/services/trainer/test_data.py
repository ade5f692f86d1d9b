import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from precordia.errors import FailedPrecondition, InvalidTrainingSpec
from precordia.manifest import Task
from precordia.record import Signal
from precordia.signal import condition
from services.trainer.data import Split, clear_cache, complete_groups, conditioned_split, decided_task, examples
from tests.services.trainer import synthetic

RECORDS = synthetic.records(10)


async def fetched(records: list[synthetic.ShardRecord], folder: Path) -> tuple[Split, synthetic.ShardsInMemory]:
    plan, shards = synthetic.plan(records), synthetic.ShardsInMemory(records)
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


async def test_no_opinion_is_left_out_and_none_of_the_labels_is_an_opinion(tmp_path: Path) -> None:
    records = [RECORDS[0], replace(RECORDS[1], targets={}), *RECORDS[2:5]]
    split, _ = await fetched(records, tmp_path)
    told: list[str] = []
    kept = examples(
        split, task=Task.MULTILABEL, group="shape", labels=("FAST",), auxiliary={}, tell=told.append, role="test"
    )
    assert kept.recording_ids == ["rec-0000", "rec-0002", "rec-0003", "rec-0004"]
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
