"""Serving XceptionTime, one ECG a request: the service in its own process against ONNX Runtime in ours.

Three ways: `tensor` is the Open Inference Protocol, called by an unmodified tritonclient in a process of
its own; `bare` and `real` are our own call for ECGs, without and with the model's conditioning.

Both run on one core with one thread, in turns, several times; the ratio is of the two throughputs of
a turn. Callers run on the other cores. The cpu ratio is that of the processor times an ECG takes: it
does not move when something else wants the core. `bare` is a contract without conditioning, as the other
servers that this is compared with have none.

MLServer runs beside it, on the same core and with the same graph, where `--mlserver` names the Python of
an environment that has it (`pip install mlserver onnxruntime`).

    python -m benchmarks.serving [--seconds 4] [--turns 5] [--mlserver PYTHON]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime as ort

from benchmarks.mlserver_peer import mlserver
from precordia.catalog import ModelRef
from precordia.client import Addresses, Connection, connect
from precordia.leads import STANDARD_LEADS
from precordia.manifest import Activation, InputSpec, Manifest, Output, Task
from precordia.prediction import PredictInput
from precordia.record import Signal, Unit

CONCURRENCY = (1, 8, 32)
BARE, REAL = ModelRef("bare"), ModelRef("real")
Load = Callable[[int, float], Awaitable[list[float]]]
"""Latencies of a while with so many callers for so many seconds."""

_SHIPPED = Path(__file__).parent.parent / "services" / "registry" / "shipped"


@dataclass
class Row:
    """What one concurrency gave, turn by turn."""

    ratios: list[float] = field(default_factory=list)
    cpu_ratios: list[float] = field(default_factory=list)
    added_ms: list[float] = field(default_factory=list)
    p50_ms: list[float] = field(default_factory=list)
    tails: list[float] = field(default_factory=list)


def model() -> tuple[str, bytes, Manifest]:
    """Name, graph and a contract without conditioning."""
    testdata = os.environ.get("PRECORDIA_TESTDATA")
    if testdata:
        graph = (Path(testdata) / "models" / "xc_super_pretrained.onnx").read_bytes()
        names, input_name, output_name = ("CD", "HYP", "MI", "STTC"), "arg0", "self_1_1"
        contract = InputSpec(input_name, STANDARD_LEADS, 100.0, 10.0, Unit.MILLIVOLT)
        outputs = tuple(map(Output, names))
        return "XceptionTime", graph, Manifest(contract, Task.MULTICLASS, outputs, (), Activation.SOFTMAX, output_name)
    return shipped_model("precordia-superclasses")


def shipped_model(name: str) -> tuple[str, bytes, Manifest]:
    """The same of a shipped model."""
    shipped = Manifest.parse((_SHIPPED / name / "manifest.json").read_bytes())
    bare = Manifest(shipped.input, shipped.task, shipped.outputs, (), shipped.activation, shipped.output_name)
    return name, (_SHIPPED / name / "model.onnx").read_bytes(), bare


def cores() -> tuple[set[int], set[int]]:
    """One core for what is measured, the others for callers."""
    there = sorted(os.sched_getaffinity(0))
    return {there[0]}, set(there[1:]) or {there[0]}


@contextlib.contextmanager
def service(name: str, home: Path, core: set[int], **settings: str) -> Iterator[tuple[str, int]]:
    """A service in its own process, on its core; gives address and process id."""
    environment = os.environ | {"PRECORDIA_HOME": str(home), f"PRECORDIA_{name.upper()}_LISTEN": "127.0.0.1:0"}
    environment |= settings
    process = subprocess.Popen(
        [sys.executable, "-m", f"services.{name}"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # the log is written as ever, a line a call, and goes nowhere
        preexec_fn=lambda: os.sched_setaffinity(0, core),
    )
    assert process.stdout is not None
    try:
        ready = json.loads(process.stdout.readline())
        yield ready["address"], process.pid
    finally:
        process.terminate()
        process.wait(30)


def resident_mib(pid: int) -> float:
    """Memory of a process that is in RAM."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return float("nan")


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used, all threads together."""
    return sum(int(path.read_text().split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


class InProcess:
    """ONNX Runtime with one thread, called in a loop, on the core of the service."""

    def __init__(self, graph: bytes, x: np.ndarray, core: set[int]) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        self._feed = {self._session.get_inputs()[0].name: x[None]}
        self._core = core
        self.seconds(0.5)

    def seconds(self, duration_s: float) -> list[float]:
        """Times of the runs of a while; `cpu_s` keeps the processor time of each, on average."""
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, self._core)
        times: list[float] = []
        until, used = time.perf_counter() + duration_s, time.thread_time()
        while time.perf_counter() < until:
            began = time.perf_counter()
            self._session.run(None, self._feed)
            times.append(time.perf_counter() - began)
        self.cpu_s = (time.thread_time() - used) / len(times)
        os.sched_setaffinity(0, before)
        return times


async def load(connection: Connection, ref: ModelRef, signal: Signal, callers: int, duration_s: float) -> list[float]:
    """Latencies of a while with so many callers, each waiting for its answer."""
    times: list[float] = []
    until = time.perf_counter() + duration_s

    async def caller() -> None:
        while time.perf_counter() < until:
            began = time.perf_counter()
            (prediction,) = await connection.inference.predict(ref, [PredictInput(signal=signal)])
            assert prediction.scores, prediction.error_message
            times.append(time.perf_counter() - began)

    await asyncio.gather(*(caller() for _ in range(callers)))
    return times


@contextlib.asynccontextmanager
async def services(home: Path, core: set[int], others: set[int]) -> AsyncIterator[tuple[Connection, str, int]]:
    """Registry and inference: a connection to them, inference's address and process id."""
    with service("registry", home, others, PRECORDIA_REGISTRY_PUBLISH_SHIPPED="false") as (registry, _):
        settings = {"PRECORDIA_REGISTRY": registry, "PRECORDIA_INFERENCE_SESSIONS": "1"}
        with service("inference", home, core, **settings) as (inference, pid):
            async with connect(Addresses(registry=registry, inference=inference)) as connection:
                yield connection, inference, pid


@contextlib.contextmanager
def triton_callers(address: str, manifest: Manifest, cores: set[int], name: str = BARE.name) -> Iterator[Load]:
    """Callers with tritonclient, in a process of their own."""
    shape = [str(len(manifest.input.leads)), str(manifest.input.samples)]
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.triton_load", address, name, manifest.input.name, *shape],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )
    assert process.stdin is not None
    assert process.stdout is not None
    orders, answers = process.stdin, process.stdout

    def order(callers: int, duration_s: float) -> list[float]:
        orders.write(json.dumps({"callers": callers, "seconds": duration_s}) + "\n")
        orders.flush()
        times: list[float] = json.loads(answers.readline())
        return times

    try:
        yield lambda callers, duration_s: asyncio.to_thread(order, callers, duration_s)
    finally:
        orders.close()
        process.wait(30)


async def main() -> None:
    """Runs everything and prints the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--mlserver", default="", help="Python of an environment that has MLServer")
    asked = parser.parse_args()
    name, graph, bare = model()
    core, others = cores()
    values = np.random.default_rng(1).normal(0, 0.3, (12, bare.input.samples)).astype(np.float32)
    signal = Signal(values, bare.input.leads, bare.input.rate_hz, bare.input.unit)
    with tempfile.TemporaryDirectory() as folder:
        async with services(Path(folder), core, others) as (connection, address, pid):
            await connection.registry.import_model(BARE.name, graph, bare)
            await connection.registry.import_model(REAL.name, graph)
            with contextlib.ExitStack() as stack:
                ways: dict[str, tuple[Load, int]] = {}
                ways["tensor"] = stack.enter_context(triton_callers(address, bare, others)), pid
                for ref in (BARE, REAL):
                    ways[ref.name] = partial(load, connection, ref, signal), pid
                for way, _ in ways.values():
                    await way(4, 1.0)
                rss = resident_mib(pid)
                peer = stack.enter_context(mlserver(asked.mlserver, graph, bare, core))
                if peer is not None:
                    callers = triton_callers(peer.address, bare, others, peer.model)
                    ways["mlserver"] = stack.enter_context(callers), peer.pid
                    await ways["mlserver"][0](4, 1.0)
                os.sched_setaffinity(0, others)
                rows = await turns(ways, InProcess(graph, values, core), asked.turns, asked.seconds)
                report(name, rows, rss, resident_mib(pid), core)
                if peer is not None:
                    print(f"resident memory of MLServer: {resident_mib(peer.pid):.0f} MiB")


async def turns(
    ways: Mapping[str, tuple[Load, int]], alone: InProcess, count: int, seconds: float
) -> dict[tuple[str, int], Row]:
    """Services and ONNX Runtime in turns."""
    rows: dict[tuple[str, int], Row] = {}
    for _ in range(count):
        for name, (way, pid) in ways.items():
            for callers in CONCURRENCY:
                reference = alone.seconds(seconds / 2)
                cpu_s, used = alone.cpu_s, cpu_seconds(pid)
                served = await way(callers, seconds)
                used = cpu_seconds(pid) - used
                reference += alone.seconds(seconds / 2)
                row = rows.setdefault((name, callers), Row())
                row.ratios.append((len(served) / seconds) / (len(reference) / seconds))
                row.cpu_ratios.append((cpu_s + alone.cpu_s) / 2 / (used / len(served)))
                row.p50_ms.append(1000 * statistics.median(served))
                row.tails.append(float(np.percentile(served, 99)) / statistics.median(served))
                row.added_ms.append(1000 * (statistics.median(served) - statistics.median(reference)))
    return rows


def report(name: str, rows: dict[tuple[str, int], Row], rss: float, rss_after: float, core: set[int]) -> None:
    """The tables."""
    print(f"{name}, one ECG a request, service on core {min(core)} of {os.cpu_count()}, {platform.processor()}")
    print(f"Python {platform.python_version()}, ONNX Runtime {ort.__version__}; ONNX Runtime in process = 1.00")
    print(
        f"{'way':10}{'callers':>8}{'ratio':>7}{'min..max':>13}{'cpu ratio':>11}"
        f"{'p50 ms':>9}{'p99/p50':>9}{'p50 added':>11}"
    )
    for (way, callers), row in rows.items():
        spread = f"{min(row.ratios):.2f}..{max(row.ratios):.2f}"
        added = f"{statistics.median(row.added_ms):8.2f} ms" if callers == 1 else ""
        ratio, cpu_ratio, p50, tail = map(statistics.median, (row.ratios, row.cpu_ratios, row.p50_ms, row.tails))
        print(f"{way:10}{callers:8}{ratio:7.2f}{spread:>13}{cpu_ratio:11.2f}{p50:9.2f}{tail:9.2f}{added:>11}")
    print(f"resident memory of the service with two models: {rss:.0f} MiB, at the end {rss_after:.0f} MiB")
    for callers in (8, 32):
        ratio = statistics.median(rows["tensor", callers].cpu_ratios)
        by_clock = statistics.median(rows["tensor", callers].ratios)
        verdict(by_clock >= 0.88, f"tensor, {callers} callers: {by_clock:.2f} of 0.88 ({ratio:.2f} by processor time)")
    added = statistics.median(rows["tensor", 1].added_ms)
    verdict(added <= 1.0, f"tensor, 1 caller: p50 {added:+.2f} ms of 1.0")
    tail = statistics.median(rows["tensor", 32].tails)
    verdict(tail <= 1.4, f"tensor, 32 callers: p99/p50 {tail:.2f} of 1.4")
    verdict(rss_after <= 250, f"memory {rss_after:.0f} MiB of 250")


def verdict(holds: bool, what: str) -> None:
    """One line."""
    print(f"{'holds' if holds else 'FAILS'}: {what}")


if __name__ == "__main__":
    asyncio.run(main())
