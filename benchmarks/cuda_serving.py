"""Serving on a GPU: what the tuned batcher reaches of what the device gives, and whether answers are those of the CPU.

ONNX Runtime is driven in process on the same GPU, with batches bound in page-locked memory, at each batch
size; the service then gets callers with tritonclient, one ECG a request. Says so where there is no GPU.

    python -m benchmarks.cuda_serving [--seconds 5] [--device cuda|tensorrt]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime as ort

from benchmarks.serving import BARE, model, resident_mib, service, triton_callers, verdict
from precordia.client import Addresses, connect
from precordia.errors import PrecordiaError
from services.inference.engine.onnx_runtime import OnnxRuntimeEngine
from services.inference.engine.providers import Device

SIZES = (1, 2, 4, 8, 16, 32, 64)
CALLERS = (1, 8, 64, 256)


def direct(graph: bytes, name: str, shape: tuple[int, int], device: Device) -> dict[int, float]:
    """ECGs per second by batch size, one run after the other."""
    session = OnnxRuntimeEngine(device=device).load(graph)
    output = session.outputs[0].name
    print(f"ONNX Runtime {ort.__version__} runs on {', '.join(session.providers)}")
    rates = {}
    for size in SIZES:
        room = session.room(name, (size, *shape))
        room[...] = np.random.default_rng(1).normal(0, 0.3, room.shape)
        for _ in range(10):
            session.run({name: room}, output)
        done, began = 0, time.perf_counter()
        while time.perf_counter() - began < 1.0:
            session.run({name: room}, output)
            done += size
        rates[size] = done / (time.perf_counter() - began)
    return rates


def furthest(graph: bytes, name: str, shape: tuple[int, int], device: Device) -> float:
    """The largest difference of an output between the GPU and the CPU, relative to the largest output."""
    x = np.random.default_rng(2).normal(0, 0.3, (32, *shape)).astype(np.float32)
    answers = []
    for where in (device, Device.CPU):
        session = OnnxRuntimeEngine(device=where).load(graph)
        answers.append(session.run({name: x}, session.outputs[0].name))
    return float(np.abs(answers[0] - answers[1]).max() / np.abs(answers[1]).max())


async def main() -> None:
    """Runs everything and prints a verdict a line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--device", choices=("cuda", "tensorrt"), default="cuda")
    asked = parser.parse_args()
    name, graph, bare = model()
    device, shape = Device(asked.device), (len(bare.input.leads), bare.input.samples)
    try:
        rates = direct(graph, bare.input.name, shape, device)
    except PrecordiaError as error:
        print(f"left out: {error.message}")
        return
    print(f"{name} in process, ECGs/s by batch: " + ", ".join(f"{size}: {rate:.0f}" for size, rate in rates.items()))
    apart = furthest(graph, bare.input.name, shape, device)
    everywhere = os.sched_getaffinity(0)
    with contextlib.ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        quiet = {"PRECORDIA_REGISTRY_PUBLISH_SHIPPED": "false"}
        registry, _ = stack.enter_context(service("registry", home, everywhere, **quiet))
        settings = {"PRECORDIA_REGISTRY": registry, "PRECORDIA_INFERENCE_DEVICE": asked.device}
        address, pid = stack.enter_context(service("inference", home, everywhere, **settings))
        async with connect(Addresses(registry=registry, inference=address)) as connection:
            await connection.registry.import_model(BARE.name, graph, bare)
            loaded = await connection.inference.load(BARE)
        print(
            f"the service took batches of {loaded.max_batch}, {loaded.sessions} at once, a delay of "
            f"{loaded.max_delay_ms:.2f} ms, on {loaded.providers[0]}"
        )
        callers = stack.enter_context(triton_callers(address, bare, everywhere))
        served = {count: await callers(count, asked.seconds) for count in CALLERS}
        rss = resident_mib(pid)
    for count, times in served.items():
        p50, p99 = 1000 * np.percentile(times, (50, 99))
        print(f"{count:5} callers: {len(times) / asked.seconds:8.0f} ECGs/s, p50 {p50:.2f} ms, p99 {p99:.2f} ms")
    best, single = max(rates.values()), rates[1]
    reached = max(len(times) for times in served.values()) / asked.seconds
    # One Python process that answers calls one by one reaches some thousands a second, whatever the GPU could do.
    print(f"the service reaches {reached:.0f} ECGs/s, {reached / best:.2f} of the best batch; it takes {rss:.0f} MiB")
    verdict(reached > single, f"batches gain: {reached / single:.2f} times single ECGs in process")
    verdict(apart <= 1e-5, f"GPU and CPU differ by {apart:.1e} of 1e-5")


if __name__ == "__main__":
    asyncio.run(main())
