"""An alias that moves to another version while callers use it: every call is answered, and how long it takes.

The service has one core and one session; 8 callers, each waiting for its answer, ask for NAME@champion. The
alias moves to a version of another graph every few seconds, which the service fetches, loads, warms and measures
meanwhile. Compared are the calls from each move until the new version answers with those of the time between.

    python -m benchmarks.alias_swap [--moves 6] [--every 5]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.serving import cores, model, resident_mib, services, verdict
from precordia.catalog import ModelRef
from precordia.client import Connection
from precordia.errors import PrecordiaError
from precordia.prediction import PredictInput
from precordia.record import Signal

NAME, ALIAS, CALLERS = "swapped", "champion", 8


@dataclass(frozen=True)
class Call:
    """One answered call."""

    began: float
    ended: float
    version: int


async def main() -> None:
    """Runs everything and prints a verdict a line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--moves", type=int, default=6)
    parser.add_argument("--every", type=float, default=5.0)
    asked = parser.parse_args()
    name, graph, bare = model()
    core, others = cores()
    values = np.random.default_rng(1).normal(0, 0.3, (12, bare.input.samples)).astype(np.float32)
    signal = Signal(values, bare.input.leads, bare.input.rate_hz, bare.input.unit)
    calls: list[Call] = []
    failures: Counter[str] = Counter()
    moves: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        async with services(Path(folder), core, others) as (connection, _, pid):
            for number in range(asked.moves + 1):
                # The metadata differs, and so does the digest: to the service they are different models.
                manifest = replace(bare, origin={"made_by": f"candidate {number}"})
                await connection.registry.import_model(NAME, graph + _comment(number), manifest)
            await connection.registry.set_alias(NAME, ALIAS, 1)
            os.sched_setaffinity(0, others)
            until = time.perf_counter() + asked.every * (asked.moves + 1)
            callers = [asyncio.create_task(caller(connection, signal, until, calls, failures)) for _ in range(CALLERS)]
            for version in range(2, asked.moves + 2):
                await asyncio.sleep(asked.every)
                moves.append(time.perf_counter())
                await connection.registry.set_alias(NAME, ALIAS, version)
            await asyncio.gather(*callers)
            rss = resident_mib(pid)
    report(name, calls, failures, moves, rss)


def _comment(number: int) -> bytes:
    """An ONNX model's doc_string (field 6), appended: the bytes differ, the graph does not."""
    text = f"candidate {number}".encode()
    return bytes([0x32, len(text)]) + text


async def caller(
    connection: Connection, signal: Signal, until: float, calls: list[Call], failures: Counter[str]
) -> None:
    """Asks again and again."""
    while (began := time.perf_counter()) < until:
        try:
            (prediction,) = await connection.inference.predict(
                ModelRef(NAME, alias=ALIAS), [PredictInput(signal=signal)], timeout_s=30
            )
            assert prediction.scores, prediction.error_message
            calls.append(Call(began, time.perf_counter(), prediction.version))
        except PrecordiaError as error:
            failures[error.reason] += 1


def report(name: str, calls: list[Call], failures: Counter[str], moves: list[float], rss: float) -> None:
    """The table and the verdicts."""
    calls.sort(key=lambda call: call.began)
    swaps = []
    for number, moved in enumerate(moves, start=2):
        first = next((call.ended for call in calls if call.version == number), None)
        swaps.append((moved, first))
    during, steady = [], []
    start = calls[0].began + 2.0
    for call in calls:
        inside = any(call.ended >= moved and (first is None or call.began <= first) for moved, first in swaps)
        if call.began >= start:
            (during if inside else steady).append(1000 * (call.ended - call.began))
    answered = [first for _, first in swaps if first is not None]
    took = [first - moved for moved, first in swaps if first is not None]
    p99_steady, p99_during = (float(np.percentile(times, 99)) for times in (steady, during))
    print(f"{name}, {CALLERS} callers, {len(calls)} calls, {len(moves)} moves; the service takes {rss:.0f} MiB")
    print(f"{'':10}{'calls':>8}{'p50 ms':>9}{'p99 ms':>9}{'worst':>9}")
    for label, times in (("between", steady), ("moving", during)):
        p50, p99 = np.percentile(times, (50, 99))
        print(f"{label:10}{len(times):8}{p50:9.1f}{p99:9.1f}{max(times):9.1f}")
    verdict(not failures, f"failed calls: {dict(failures) or 'none'}")
    verdict(
        len(answered) == len(moves),
        f"{len(answered)} of {len(moves)} moves took effect, the slowest in {max(took):.1f} s",
    )
    ratio = p99_during / p99_steady
    verdict(ratio <= 2.0, f"p99 while an alias moves is {ratio:.2f} of 2.0 times that of the time between")


if __name__ == "__main__":
    asyncio.run(main())
