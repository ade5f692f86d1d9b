"""Training data at scale: records that stream in, are kept as columns, and are read batch by batch.

Synthetic shards of short ECGs go through the trainer's own data path: conditioning, cache, examples,
a validation part drawn by patient, an epoch of random batches. Measured are the peak of the resident
memory that is not the file's own pages, time a record, and Python objects that stay. Beside it, the same records as
a list of dictionaries with an array each, which is how they lie in memory where nobody thought of a million.
Each way runs in a process of its own.

    python benchmarks/training_data.py [--records 200000] [--threads 2]
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

RATE_HZ, SECONDS, SHARD, BATCH = 50.0, 0.6, 4000, 32
LABELS = tuple(f"L{number:02}" for number in range(20))
WAYS = ("columns", "objects")


def main() -> None:
    """Measure both ways and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--way", choices=WAYS, help="measure one in this process and print it (used by the rest)")
    options = parser.parse_args()
    if options.way:
        measure = columns if options.way == "columns" else objects
        print(json.dumps(measure(options.records, options.threads)))
        return
    report({way: in_process(way, options) for way in WAYS}, options)


def in_process(way: str, options: argparse.Namespace) -> dict[str, float]:
    """Figures of one way, from a fresh process."""
    command = [sys.executable, __file__, "--way", way, "--records", str(options.records)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    done = subprocess.run(
        [*command, "--threads", str(options.threads)], env=environment, stdout=subprocess.PIPE, check=True, text=True
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


class Memory:
    """Watches this process's anonymous memory: what is not pages of files, which the system drops as it likes."""

    def __init__(self) -> None:
        gc.collect()
        self._objects, self._before, self.peak_mib, self._over = sys.getallocatedblocks(), anonymous_mib(), 0.0, False
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._over:
            self.peak_mib = max(self.peak_mib, anonymous_mib() - self._before)
            time.sleep(0.02)

    def figures(self) -> dict[str, float]:
        """Peak, what stays, and how many more of Python's blocks of memory (objects, near enough) than before."""
        self._over = True
        self._thread.join()
        gc.collect()
        return {
            "peak_mib": self.peak_mib,
            "held_mib": anonymous_mib() - self._before,
            "objects": sys.getallocatedblocks() - self._objects,
        }


def anonymous_mib() -> float:
    """Resident memory that belongs to no file."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) / 1024
    raise OSError("the kernel does not say")


def plan():
    """A plan for the records below, which need no band-pass."""
    from precordia.dataset import LabelGroup, Snapshot, SplitRef
    from precordia.steps import Step
    from precordia.training import TrainingSpec
    from services.trainer.planning.plan import make_plan

    groups = (LabelGroup("codes", tuple((label, 1) for label in LABELS)),)
    snapshot = Snapshot("made", "made", "d" * 64, label_groups=groups)
    steps = (
        Step("resample", 1, {"rate_hz": RATE_HZ}),
        Step("crop_or_pad", 1, {"duration_s": SECONDS}),
        Step("z_score", 1, {"by": "lead"}),
    )
    spec = TrainingSpec(SplitRef("made"), "InceptionTime", conditioning=steps)
    made, _ = make_plan(spec, {"train": snapshot}, rate_hz=RATE_HZ, duration_s=SECONDS, threads=2)
    return made


def shard_records(first: int, count: int):
    """Records as ingest packs them, always the same for their numbers."""
    import numpy as np

    from precordia.leads import STANDARD_LEADS
    from precordia.record import Sex, Signal
    from precordia.shard import ShardRecord

    generator = np.random.default_rng(first)
    samples = generator.integers(-2000, 2000, (count, 12, round(RATE_HZ * SECONDS))) / np.float32(1000)
    present = generator.random((count, len(LABELS))) < 0.1
    return [
        ShardRecord(
            recording_id=f"{first + row:064x}",
            source_record=str(first + row),
            signal=Signal(samples[row].astype(np.float32), STANDARD_LEADS, RATE_HZ),
            targets={"codes": tuple(label for label, there in zip(LABELS, present[row], strict=True) if there)},
            patient_key=f"{(first + row) // 2:032x}",
            age_years=float(40 + row % 50),
            sex=Sex.FEMALE if row % 2 else Sex.MALE,
            gain=1000.0,
        )
        for row in range(count)
    ]


class Shards:
    """Hands out shards as ingest does. They are packed beforehand, so that only reading is measured."""

    def __init__(self, folder: Path, records: int) -> None:
        from precordia.dataset import ShardTicket
        from precordia.shard import encode_shard

        self.folder, self.tickets = folder, []
        for first in range(0, records, SHARD):
            count = min(SHARD, records - first)
            (folder / str(first)).write_bytes(encode_shard(shard_records(first, count)))
            self.tickets.append(ShardTicket(str(first), "", 0, count))

    async def open_snapshot(self, split):
        """All shards, whatever the split."""
        from precordia.dataset import Snapshot

        return Snapshot("made", "made", "d" * 64), tuple(self.tickets)

    async def read_shard(self, ticket) -> bytes:
        """A shard's bytes."""
        return (self.folder / ticket.shard_id).read_bytes()


def columns(records: int, threads: int) -> dict[str, float]:
    """The trainer's own path."""
    import numpy as np

    from precordia.manifest import Task
    from services.trainer.records.data import conditioned_split, examples
    from services.trainer.records.examples import draw_validation

    made = plan()
    with tempfile.TemporaryDirectory() as folder:
        shards = Shards(Path(folder), records)
        split, manifest, cache = made.splits["train"], made.manifest(), Path(folder) / "cache"
        warm = asyncio.run(conditioned_split(warm_shards(folder), split, manifest, Path(folder) / "w", nothing))
        del warm
        memory, since = Memory(), time.perf_counter()
        got = asyncio.run(conditioned_split(shards, split, manifest, cache, nothing, threads=threads))
        filled = time.perf_counter() - since
        since = time.perf_counter()
        whole = examples(
            got, task=Task.MULTILABEL, group="codes", labels=LABELS, auxiliary={}, tell=lambda _: None, role="train"
        )
        training, _ = draw_validation(whole.y, whole.patients, fraction=0.15, seed=0)
        part = whole.only(training)
        drawn = time.perf_counter() - since
        since = time.perf_counter()
        order = np.random.default_rng(0).permutation(len(part.x))
        for start in range(0, len(order), BATCH):
            part.windows(order[start : start + BATCH])
        read = time.perf_counter() - since
        found = memory.figures()
    return found | {
        "fill_us": 1e6 * filled / records,
        "draw_us": 1e6 * drawn / records,
        "read_us": 1e6 * read / records,
    }


def warm_shards(folder: str) -> Shards:
    """A few records that have the kernels compiled."""
    few = Path(folder) / "few"
    few.mkdir()
    return Shards(few, 20)


def nothing(done: int, total: int) -> None:
    """Nobody watches."""


def objects(records: int, threads: int) -> dict[str, float]:
    """A dictionary and an array a record."""
    import numpy as np

    from precordia.shard import decode_shard
    from precordia.signal import condition

    manifest = plan().manifest()
    with tempfile.TemporaryDirectory() as folder:
        shards = Shards(Path(folder), records)
        for few in shard_records(0, 2):
            condition(few.signal, manifest)
        memory, since = Memory(), time.perf_counter()
        kept = []
        for ticket in shards.tickets:
            shard = decode_shard(asyncio.run(shards.read_shard(ticket)))
            labels = shard.labels("codes")
            for row in range(shard.records):
                x = condition(shard.signal(row), manifest).x
                about = {"id": shard.recording_ids[row], "patient": shard.patients[row], "age": shard.ages[row]}
                kept.append({"x": x, "labels": {"codes": labels[row]}, **about})
        filled = time.perf_counter() - since
        since = time.perf_counter()
        order = np.random.default_rng(0).permutation(len(kept))
        for start in range(0, len(order), BATCH):
            np.concatenate([kept[row]["x"] for row in order[start : start + BATCH]])
        read = time.perf_counter() - since
        found = memory.figures()
    return found | {"fill_us": 1e6 * filled / records, "read_us": 1e6 * read / records}


def report(found: dict[str, dict[str, float]], options: argparse.Namespace) -> None:
    """Print figures and ratios."""
    size = options.records * 12 * round(RATE_HZ * SECONDS) * 4 / (1 << 20)
    print(f"{options.records} records of 12 x {round(RATE_HZ * SECONDS)} samples, {size:.0f} MiB conditioned")
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {options.threads} threads"
    )
    for way, row in found.items():
        print(
            f"  {way:8} peak {row['peak_mib']:7.0f} MiB, held {row['held_mib']:7.0f} MiB, "
            f"{row['objects'] / options.records:6.3f} objects a record; us a record: "
            f"fill {row['fill_us']:.1f}, batches {row['read_us']:.2f}"
        )
    ours, theirs = found["columns"], found["objects"]
    print(f"drawing the parts: {ours['draw_us']:.2f} us a record")
    ratios = {name: theirs[name] / ours[name] for name in ("peak_mib", "fill_us", "read_us")}
    print(
        f"objects / columns: peak memory {ratios['peak_mib']:.1f}, "
        f"fill {ratios['fill_us']:.2f}, batches {ratios['read_us']:.2f}"
    )


if __name__ == "__main__":
    main()
