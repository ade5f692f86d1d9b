"""An int8 model beside the float one it was made from: throughput on one core, and accuracy on ECGs it never saw.

The model is made by the very process that `precordia models quantize` runs, from shards of ptbxl-z: folds
1-6 calibrate, fold 7 judges; the model must not have been trained on that. Without --model it is the
shipped XceptionTime, or where there is none the other shipped model. Throughput is ECGs a second of processor
time, one thread, one ECG a run, the two graphs in turns.

    PRECORDIA_TESTDATA=... taskset -c 0 .venv/bin/python -m benchmarks.quantized [--model ONNX --manifest JSON]
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from precordia.leads import STANDARD_LEADS
from precordia.manifest import Manifest
from precordia.record import Signal, Unit
from precordia.shard import ShardRecord, encode_shard
from precordia.steps import Step
from services.inference.engine.onnx_runtime import OnnxRuntimeEngine
from services.inference.engine.providers import Device
from services.inference.engine.sessions import Session
from services.inference.quantization.order import CHOSEN, MODEL, RESULT, Order

_SHIPPED = Path(__file__).parent.parent / "services" / "registry" / "shipped"
_NAMES = ("precordia-superclasses-xception", "precordia-superclasses")
_GROUP = "super_class"
_APPLIED = (
    Step("band_pass", 1, {"low_hz": 0.5, "high_hz": 40.0, "order": 4.0}),
    Step("z_score", 1, {"by": "lead"}),
)
_CALIBRATION_FOLDS = range(1, 7)

LEAST_RATIO, MOST_LOSS = 2.2, 0.005


def main() -> None:
    """Prints both figures, each with its verdict."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    shipped = next(_SHIPPED / name for name in _NAMES if (_SHIPPED / name / "model.onnx").exists())
    parser.add_argument("--model", type=Path, default=shipped / "model.onnx")
    parser.add_argument("--manifest", type=Path, default=shipped / "manifest.json")
    parser.add_argument("--rounds", type=int, default=60)
    options = parser.parse_args()
    if "PRECORDIA_TESTDATA" not in os.environ:
        raise SystemExit("PRECORDIA_TESTDATA names no folder with ptbxl-z, so there are no ECGs to calibrate on.")
    manifest = Manifest.parse(options.manifest.read_bytes())
    print(f"Python {platform.python_version()}, ONNX Runtime {ort.__version__}, {platform.machine()}, one thread")
    print(f"{options.model}: {manifest.origin.get('network', 'network not named')}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, options.model.read_bytes(), manifest)
        result = quantize(folder)
        rates = throughput([(folder / MODEL).read_bytes(), (folder / CHOSEN).read_bytes()], manifest, options.rounds)
    show(result, rates)


def prepare(folder: Path, graph: bytes, manifest: Manifest) -> None:
    """The folder of an order, with ptbxl-z in two shards."""
    data = Path(os.environ["PRECORDIA_TESTDATA"]) / "ptbxl-z"
    with (data / "labels.csv").open() as opened:
        rows = list(csv.DictReader(opened))
    x = np.load(data / "signals_100hz.npz")["x"].astype(np.float32).transpose(0, 2, 1) * np.float32(0.001)
    sides: dict[bool, list[ShardRecord]] = {True: [], False: []}
    for row, values in zip(rows, x, strict=True):
        sides[int(row["strat_fold"]) in _CALIBRATION_FOLDS].append(record(row, values))
    (folder / "calibration-0.shard").write_bytes(encode_shard(sides[True]))
    (folder / "check-0.shard").write_bytes(encode_shard(sides[False]))
    (folder / MODEL).write_bytes(graph)
    asked = [name for name in manifest.output_names if f"{_GROUP}:{name}" in rows[0]]
    shards = ["calibration-0.shard"], ["check-0.shard"]
    Order(manifest.canonical(), 1.0, {}, _GROUP, asked, *shards).write(folder)


def record(row: dict[str, str], values: np.ndarray[Any, Any]) -> ShardRecord:
    """One record with its superclasses."""
    labels = [name.partition(":")[2] for name, said in row.items() if name.startswith(f"{_GROUP}:") and said == "1"]
    return ShardRecord(
        recording_id=row["ecg_id"],
        source_record=row["ecg_id"],
        signal=Signal(np.ascontiguousarray(values), STANDARD_LEADS, 100.0, Unit.STANDARDISED, _APPLIED),
        targets={_GROUP: tuple(labels)},
        patient_key=row["patient_id"],
    )


def quantize(folder: Path) -> dict[str, Any]:
    """Runs the process of `models quantize` on the folder."""
    command = [sys.executable, "-m", "services.inference.quantization.worker", str(folder)]
    began = time.monotonic()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            said = json.loads(line)
            if "progress" not in said:
                print(said.get("log") or said)
        process.wait()
    print(f"quantized and checked in {time.monotonic() - began:.0f} s")
    result: dict[str, Any] = json.loads((folder / RESULT).read_bytes())
    return result


def throughput(graphs: list[bytes], manifest: Manifest, rounds: int) -> list[list[float]]:
    """ECGs a second of each graph, by round."""
    engine = OnnxRuntimeEngine(device=Device.CPU, intra_op_threads=1)
    sessions: list[Session] = [engine.load(graph) for graph in graphs]
    shape = (rounds, 1, len(manifest.input.leads), manifest.input.samples)
    batches = np.random.default_rng(0).standard_normal(shape, np.float32)
    rates: list[list[float]] = [[] for _ in sessions]
    for turn, x in enumerate(batches):
        for which in range(len(sessions))[:: 1 if turn % 2 else -1]:
            began = time.thread_time()
            sessions[which].run({manifest.input.name: x}, manifest.output_name)
            rates[which].append(1 / (time.thread_time() - began))
    return [found[rounds // 6 :] for found in rates]


def show(result: dict[str, Any], rates: list[list[float]]) -> None:
    """Two lines, each with its bar."""
    base, made = rates
    low, ratio, high = statistics.quantiles([after / before for before, after in zip(base, made, strict=True)], n=4)
    accuracy = result["accuracy"]
    print(
        f"ECGs a second of one core: {statistics.median(base):.0f} float, {statistics.median(made):.0f} int8; "
        f"ratio {ratio:.2f} ({low:.2f}..{high:.2f}), >= {LEAST_RATIO}: {verdict(ratio >= LEAST_RATIO)}"
    )
    print(
        f"{accuracy['figure']} on {accuracy['n']} ECGs: {accuracy['base']:.4f} float, {accuracy['int8']:.4f} int8; "
        f"loss {accuracy['loss']:+.4f}, <= {MOST_LOSS}: {verdict(accuracy['loss'] <= MOST_LOSS)}"
    )
    print(
        f"scores differ by {accuracy['mean_difference']:.4f} on average, {accuracy['max_difference']:.3f} at most; "
        f"{accuracy['changed_decisions']} decisions of {accuracy['n']} ECGs at 0.5 differ; ranges by "
        f"{result['ranges']}, {len(result['in_float'])} layers in float, "
        f"{result['base_size_bytes'] / 1e6:.2f} -> {result['size_bytes'] / 1e6:.2f} MB"
    )


def verdict(met: bool) -> str:
    """In one word."""
    return "met" if met else "MISSED"


if __name__ == "__main__":
    main()
