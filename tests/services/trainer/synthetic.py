"""Small labelled ECGs made here: fast ones, ones with wide QRS complexes, and both."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from precordia.dataset import LabelGroup, Snapshot, SplitRef
from precordia.errors import SnapshotNotFound
from precordia.leads import STANDARD_LEADS
from precordia.record import Signal
from precordia.shard import ShardRecord, encode_shard
from precordia.training import TrainingSpec
from services.trainer.planning.plan import Plan, make_plan

RATE_HZ = 50.0
DURATION_S = 4.0
LABELS = ("FAST", "WIDE")
SMALL = {"crop_s": 2.0, "max_epochs": 4, "batch_size": 8, "averaging": 0.9}


def ecg(
    *, fast: bool, wide: bool, generator: np.random.Generator, duration_s: float = DURATION_S
) -> NDArray[np.float32]:
    """Millivolts, (12, samples)."""
    time_s = np.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    interval_s, width_s = (0.45 if fast else 0.95), (0.09 if wide else 0.03)
    beats = np.arange(generator.uniform(0, interval_s), duration_s, interval_s)
    pulse = np.exp(-(((time_s[:, None] - beats) / width_s) ** 2)).sum(axis=1)
    gains = np.linspace(0.4, 1.6, 12)[:, None]
    noise = generator.normal(0, 0.03, (12, time_s.size))
    return (gains * pulse + noise).astype(np.float32)


def records(count: int, seed: int = 0, first: int = 0) -> list[ShardRecord]:
    """Two records a patient; label group "shape" with FAST and WIDE, group "speed" with one of two."""
    generator = np.random.default_rng([seed, first])
    made = []
    for number in range(first, first + count):
        fast, wide = bool(number & 1), bool(number & 2)
        values = ecg(fast=fast, wide=wide, generator=generator)
        made.append(
            ShardRecord(
                recording_id=f"rec-{number:04}",
                source_record=str(number),
                signal=Signal(values, STANDARD_LEADS, RATE_HZ),
                targets={
                    "shape": tuple(label for label, present in zip(LABELS, (fast, wide), strict=True) if present),
                    "speed": ("QUICK" if fast else "SLOW",),
                },
                numeric={"rate_bpm": 60 / (0.45 if fast else 0.95)},
                patient_key=f"patient {number // 2}",
            )
        )
    return made


def snapshot(records: Sequence[ShardRecord], name: str = "made") -> Snapshot:
    groups: dict[str, dict[str, int]] = {"shape": dict.fromkeys(LABELS, 0), "speed": {"QUICK": 0, "SLOW": 0}}
    for record in records:
        for group, present in record.targets.items():
            for label in present:
                groups[group][label] += 1
    return Snapshot(
        "snap-1",
        name,
        "d" * 64,
        label_groups=tuple(LabelGroup(group, tuple(labels.items())) for group, labels in groups.items()),
    )


def spec(**changes: object) -> TrainingSpec:
    settings: dict[str, object] = {"overrides": SMALL, "seed": 3, "threads": 1, **changes}
    return TrainingSpec(train=SplitRef("made"), base="InceptionTime", **settings)


def plan(records: Sequence[ShardRecord], **changes: object) -> Plan:
    made, _ = make_plan(
        spec(**changes), {"train": snapshot(records)}, rate_hz=RATE_HZ, duration_s=DURATION_S, threads=1
    )
    return made


class ShardsInMemory:
    """Hands out packed shards as ingest does, without a service: two shards a split."""

    def __init__(self, records: Sequence[ShardRecord]) -> None:
        middle = len(records) // 2
        self.snapshot = snapshot(records)
        self.parts = {f"shard-{i}": list(part) for i, part in enumerate((records[:middle], records[middle:]))}
        self.read: list[str] = []

    async def open_snapshot(self, split: SplitRef):
        from precordia.dataset import ShardTicket

        if split.dataset != self.snapshot.dataset:
            raise SnapshotNotFound("No such dataset.", name="x")
        tickets = tuple(ShardTicket(name, "", 0, len(part)) for name, part in self.parts.items())
        return self.snapshot, tickets

    async def read_shard(self, ticket):
        self.read.append(ticket.shard_id)
        return encode_shard(self.parts[ticket.shard_id])
