"""Callers with an unmodified tritonclient.grpc.aio, in a process of their own; started by `benchmarks.serving`.

    python -m benchmarks.triton_load ADDRESS MODEL INPUT LEADS SAMPLES

Reads lines of JSON {"callers": n, "seconds": s} and answers each with the latencies of that while, in
seconds. Nothing of precordia is imported here: tritonclient brings the same message names.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

import numpy as np
from tritonclient.grpc import InferInput
from tritonclient.grpc.aio import InferenceServerClient


async def load(client: InferenceServerClient, model: str, x: InferInput, callers: int, seconds: float) -> list[float]:
    """Latencies of a while with so many callers, each waiting for its answer."""
    times: list[float] = []
    until = time.perf_counter() + seconds

    async def caller() -> None:
        while time.perf_counter() < until:
            began = time.perf_counter()
            result = await client.infer(model, [x])
            times.append(time.perf_counter() - began)
            assert np.isfinite(result.as_numpy(result.get_response().outputs[0].name)).all()

    await asyncio.gather(*(caller() for _ in range(callers)))
    return times


async def main(address: str, model: str, name: str, leads: int, samples: int) -> None:
    """Answers orders until there are none."""
    values = np.random.default_rng(1).normal(0, 0.3, (1, leads, samples)).astype(np.float32)
    x = InferInput(name, values.shape, "FP32")
    x.set_data_from_numpy(values)
    async with InferenceServerClient(address) as client:
        while line := sys.stdin.readline():
            order = json.loads(line)
            print(json.dumps(await load(client, model, x, order["callers"], order["seconds"])), flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4], *map(int, sys.argv[4:])))
