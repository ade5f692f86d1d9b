"""Callers who do not wait for each other, in a process of their own; started by `benchmarks.overload`.

    python -m benchmarks.open_load ADDRESS MODEL LEADS SAMPLES RATE_HZ {heeding|heedless}

Heeding callers share a client, which does not ask again before the time that a refusal stated; each heedless
caller has one of its own, and asks whatever the others heard.

Reads lines of JSON {"rate", "seconds", "priority", "timeout_s", "seed"}: so many ECGs a second, one a
request, at random moments (Poisson). Answers each line with {outcome: [latencies in seconds]}.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections.abc import Callable

import numpy as np

from precordia.catalog import ModelRef
from precordia.client import InferenceClient
from precordia.client.peer import Peer
from precordia.errors import DeadlineExceeded, Overloaded, PrecordiaError
from precordia.leads import STANDARD_LEADS
from precordia.prediction import PredictInput, Priority
from precordia.record import Signal, Unit

_LATER_S = 0.1
"""A caller that starts later than this is not started: the load would not be that of the rate any more."""


async def run(
    client: Callable[[], InferenceClient], ref: ModelRef, signal: Signal, order: dict[str, float]
) -> dict[str, list[float]]:
    """One while of load."""
    outcomes: dict[str, list[float]] = {}
    draw, tasks = random.Random(int(order["seed"])), set()
    priority, timeout_s = Priority[str(order["priority"])], order["timeout_s"]

    async def caller() -> None:
        began, outcome = time.perf_counter(), "answered"
        try:
            (prediction,) = await client().predict(ref, [PredictInput(signal=signal)], priority, timeout_s)
            assert prediction.scores, prediction.error_message
        except Overloaded:
            outcome = "refused"
        except DeadlineExceeded:
            outcome = "late"
        except PrecordiaError as error:
            outcome = error.reason
        outcomes.setdefault(outcome, []).append(time.perf_counter() - began)

    at = began = time.perf_counter()
    while at < began + order["seconds"]:
        at += draw.expovariate(order["rate"])
        await asyncio.sleep(max(0.0, at - time.perf_counter()))
        if time.perf_counter() - at > _LATER_S:
            outcomes.setdefault("not sent", []).append(0.0)
            continue
        task = asyncio.create_task(caller())
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)
    return outcomes


async def main(address: str, model: str, leads: int, samples: int, rate_hz: float, *, heedless: bool) -> None:
    """Answers orders until there are none."""
    values = np.random.default_rng(1).normal(0, 0.3, (leads, samples)).astype(np.float32)
    signal, ref = Signal(values, STANDARD_LEADS[:leads], rate_hz, Unit.MILLIVOLT), ModelRef.parse(model)
    peer = Peer("inference", address)
    shared = InferenceClient(peer)
    while line := await asyncio.to_thread(sys.stdin.readline):
        outcomes = await run(lambda: InferenceClient(peer) if heedless else shared, ref, signal, json.loads(line))
        print(json.dumps(outcomes), flush=True)
    await peer.close()


if __name__ == "__main__":
    address, model, leads, samples, rate_hz, heed = sys.argv[1:]
    asyncio.run(main(address, model, int(leads), int(samples), float(rate_hz), heedless=heed == "heedless"))
