"""Many files into ingest: files a second over the whole path, and the memory that it takes.

Generated 12-lead WFDB records of 10 s at 500 Hz, each with its own samples, go from a folder through
the client into the service, as `precordia import FOLDER` does: hashes, upload, reading, signal quality,
two durable blobs and a database transaction each. The service is a process of its own; its resident
memory, and that of its readers, is sampled. Then the same again, when the service knows every byte.

In the same run, on the same files: bytes to recording in one thread, beside wfdb's own reader, which
gets paths; the ratio is the median of pairs that take turns. The bar is 1.5 x wfdb's time.

    .venv/bin/python -m benchmarks.batch_import [--files 500]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

import wfdb

from precordia.client import Addresses, BatchImport, SourceFile, connect, sources_from_paths
from services.ingest.formats import read_source
from tests.precordia.client.generated import write_records

_SAMPLE_EVERY_S = 0.5


@dataclass(frozen=True)
class Outcome:
    """One import: its time, what became of the files, resident memory in MiB over time."""

    seconds: float
    imported: int
    existing: int
    refused: int
    resident_mib: list[float]


def resident_mib(pid: int) -> float:
    """Memory of a process and its children."""
    total = 0.0
    for process in (pid, *_children(pid)):
        try:
            total += int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
        except (OSError, IndexError):
            continue
    return total


def _children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        found += [int(child) for child in task.read_text().split()]
    return found


async def imported(address: str, pid: int, files: Sequence[SourceFile]) -> Outcome:
    """Import all files, sampling the service's memory."""
    counts = {"imported": 0, "existing": 0, "refused": 0}
    resident: list[float] = []
    start = last = time.perf_counter()
    async with (
        connect(Addresses(ingest=address)) as precordia,
        aclosing(BatchImport(precordia.ingest, dataset="bench").run(files)) as verdicts,
    ):
        async for verdict in verdicts:
            counts["refused" if verdict.error else "imported" if verdict.created else "existing"] += 1
            if time.perf_counter() - last > _SAMPLE_EVERY_S:
                last = time.perf_counter()
                resident.append(resident_mib(pid))
    return Outcome(time.perf_counter() - start, **counts, resident_mib=resident)


def whole_path(home: Path, files: Sequence[SourceFile]) -> tuple[Outcome, Outcome]:
    """First import and second, by a service of its own."""
    environment = os.environ | {"PRECORDIA_HOME": str(home), "PRECORDIA_INGEST_LISTEN": "127.0.0.1:0"}
    command = [sys.executable, "-m", "services.ingest"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as service:
        assert service.stdout is not None
        ready = json.loads(service.stdout.readline())
        try:
            first = asyncio.run(imported(ready["address"], service.pid, files))
            return first, asyncio.run(imported(ready["address"], service.pid, files))
        finally:
            service.terminate()


def beside_wfdb(files: Sequence[SourceFile]) -> tuple[float, float, float]:
    """Milliseconds a file here and in wfdb, and the median of their ratios."""
    ours, theirs, ratios = [], [], []
    for file in files:
        name = str(file.path.with_suffix(""))
        source = file.read()
        mine = _milliseconds(lambda source=source: read_source(source))
        yours = _milliseconds(lambda name=name: wfdb.rdrecord(name, physical=False))
        ours.append(mine)
        theirs.append(yours)
        ratios.append(mine / yours)
    return statistics.median(ours), statistics.median(theirs), statistics.median(ratios)


def _milliseconds(work: Callable[[], object]) -> float:
    times = []
    for _ in range(3):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times) * 1000


def main() -> None:
    """Run and print."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--files", type=int, default=500)
    count = arguments.parse_args().files
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    with tempfile.TemporaryDirectory() as folder:
        files = sources_from_paths([write_records(Path(folder) / "files", count, samples=5000)])
        read_source(files[0].read())  # compiles
        mine, yours, ratio = beside_wfdb(files[:60])
        print(f"bytes to recording, one core: {mine:.2f} ms ({1000 / mine:.0f} files a second); wfdb {yours:.2f} ms;")
        print(f"  ratio {ratio:.2f}, bar 1.50: {'met' if ratio <= 1.5 else 'MISSED'}")
        for name, one in zip(("new", "known"), whole_path(Path(folder) / "home", files), strict=True):
            per_s = count / one.seconds
            print(
                f"whole path, {name}: {per_s:.0f} files a second, {per_s / (os.cpu_count() or 1):.0f} a core; ", end=""
            )
            print(f"{one.imported} imported, {one.existing} known, {one.refused} refused")
            if one.resident_mib:
                half = len(one.resident_mib) // 2
                print(f"  memory {max(one.resident_mib[: half or 1]):.0f} MiB in the first half, ", end="")
                print(f"{max(one.resident_mib[half:]):.0f} MiB in the second, readers included")


if __name__ == "__main__":
    main()
