"""Three times more than the service can do, for a minute: what is still done in time, and what urgent ECGs notice.

The service has one core and one session; callers have the others, urgent ones in a process of their own.
Capacity is what callers who wait for each other's answers get; then ECGs come at three times that rate
whatever becomes of them: 5 % STAT, 75 % routine, 20 % background, each with a deadline.

The callers of a class share one of our clients, which does not ask again before the time that a refusal
stated; with `--heedless` every ECG is sent, whatever the service said, as clients of other make may do.

The service takes in and refuses what it cannot do on the core that the model runs on: the quicker the model, the
larger the share of that. `--shipped precordia-superclasses-xception` is three networks in one graph.

    python -m benchmarks.overload [--seconds 60] [--times 3] [--deadline 1.0] [--shipped NAME] [--heedless]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import numpy as np

from benchmarks.serving import BARE, cores, load, model, resident_mib, services, shipped_model, verdict
from precordia.manifest import Manifest
from precordia.record import Signal

Outcomes = dict[str, list[float]]
Sender = Callable[..., Awaitable[Outcomes]]

SHARES = {"STAT": 0.05, "ROUTINE": 0.75, "BACKGROUND": 0.20}


@contextlib.contextmanager
def sender(
    address: str, manifest: Manifest, core: set[int], *, nice: int = 0, heed: str = "heeding"
) -> Iterator[Sender]:
    """Callers in a process of their own; gives what makes them send."""

    def settle() -> None:
        os.sched_setaffinity(0, core)
        os.nice(nice)

    shape = [str(len(manifest.input.leads)), str(manifest.input.samples), str(manifest.input.rate_hz)]
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.open_load", address, BARE.name, *shape, heed],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=settle,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    orders, answers = process.stdin, process.stdout

    def order(**asked: float | str) -> Outcomes:
        orders.write(json.dumps(asked) + "\n")
        orders.flush()
        outcomes: Outcomes = json.loads(answers.readline())
        return outcomes

    try:
        yield lambda **asked: asyncio.to_thread(order, **asked)
    finally:
        orders.close()
        process.wait(30)


def p99_ms(times: list[float]) -> float:
    """The 99th percentile, in milliseconds."""
    return 1000 * float(np.percentile(times, 99)) if times else float("nan")


async def main() -> None:
    """Runs everything and prints a verdict a line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--times", type=float, default=3.0)
    parser.add_argument("--deadline", type=float, default=1.0)
    parser.add_argument("--shipped", default="", metavar="NAME", help="a shipped model; else XceptionTime")
    parser.add_argument("--heedless", action="store_true", help="callers send whatever the service said")
    asked = parser.parse_args()
    heed = "heedless" if asked.heedless else "heeding"
    name, graph, bare = shipped_model(asked.shipped) if asked.shipped else model()
    core, others = cores()
    values = np.random.default_rng(1).normal(0, 0.3, (12, bare.input.samples)).astype(np.float32)
    signal = Signal(values, bare.input.leads, bare.input.rate_hz, bare.input.unit)
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        async with services(Path(folder), core, others) as (connection, address, pid):
            await connection.registry.import_model(BARE.name, graph, bare)
            await load(connection, BARE, signal, 4, 1.0)
            os.sched_setaffinity(0, others)
            # Callers of different urgency sit on different machines: the many must not make the few late in sending.
            senders = {
                priority: stack.enter_context(
                    sender(address, bare, others, nice=0 if priority == "STAT" else 10, heed=heed)
                )
                for priority in SHARES
            }
            span_s = min(10.0, asked.seconds / 2)
            idle = await senders["STAT"](rate=5, seconds=span_s, priority="STAT", timeout_s=10.0, seed=1)
            before = len(await load(connection, BARE, signal, 16, span_s)) / span_s

            memory: list[float] = []
            watching = asyncio.create_task(watch(pid, memory))
            rate = asked.times * before
            outcomes = await asyncio.gather(
                *(
                    senders[priority](
                        rate=share * rate,
                        seconds=asked.seconds,
                        priority=priority,
                        timeout_s=asked.deadline,
                        seed=number,
                    )
                    for number, (priority, share) in enumerate(SHARES.items())
                )
            )
            watching.cancel()
            after = len(await load(connection, BARE, signal, 16, span_s)) / span_s
    report(name, asked, idle["answered"], (before, after), dict(zip(SHARES, outcomes, strict=True)), memory)


async def watch(pid: int, memory: list[float]) -> None:
    """Notes the service's memory every second."""
    while True:
        memory.append(resident_mib(pid))
        await asyncio.sleep(1)


def report(
    name: str,
    asked: argparse.Namespace,
    idle: list[float],
    capacities: tuple[float, float],
    outcomes: dict[str, Outcomes],
    memory: list[float],
) -> None:
    """The table and the verdicts."""
    capacity = statistics.mean(capacities)
    print(
        f"{name}: capacity {capacities[0]:.0f} ECGs/s before and {capacities[1]:.0f} after, "
        f"{asked.times:g} times that, {'heedless' if asked.heedless else 'heeding'} callers"
    )
    print(f"{'class':12}{'sent':>8}{'in time':>9}{'refused':>9}{'late':>7}{'other':>7}{'p50 ms':>9}{'p99 ms':>9}")
    for priority, found in outcomes.items():
        answered, refused, late = (found.get(one, []) for one in ("answered", "refused", "late"))
        sent = sum(map(len, found.values()))
        other = sent - len(answered) - len(refused) - len(late)
        p50 = 1000 * statistics.median(answered) if answered else float("nan")
        print(
            f"{priority:12}{sent:8}{len(answered):9}{len(refused):9}{len(late):7}{other:7}{p50:9.1f}{p99_ms(answered):9.1f}"
        )
    goodput = sum(len(found.get("answered", [])) for found in outcomes.values()) / asked.seconds
    service_ms = 1000 / capacity
    urgent, limit = p99_ms(outcomes["STAT"].get("answered", [])), p99_ms(idle) + 1.5 * service_ms
    failed = sum(len(times) for kind, times in outcomes["STAT"].items() if kind != "answered")
    verdict(
        goodput >= 0.9 * capacity, f"goodput {goodput:.0f} of {capacity:.0f} ECGs/s ({goodput / capacity:.2f} of 0.90)"
    )
    verdict(
        urgent <= limit, f"STAT p99 {urgent:.1f} ms of {limit:.1f} (idle {p99_ms(idle):.1f} + 1.5 x {service_ms:.1f})"
    )
    verdict(failed == 0, f"{failed} STAT ECGs without an answer in time")
    third = max(1, len(memory) // 3)
    growth = statistics.median(memory[-third:]) - statistics.median(memory[third : 2 * third] or memory)
    verdict(growth <= 2.0, f"memory {memory[0]:.0f} to {memory[-1]:.0f} MiB; {growth:+.1f} over the last two thirds")


if __name__ == "__main__":
    began = time.perf_counter()
    asyncio.run(main())
    print(f"{time.perf_counter() - began:.0f} s, {os.cpu_count()} cores")
