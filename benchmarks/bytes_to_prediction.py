"""From a file's bytes to scores on one core, stage by stage, against the obvious way with pandas, scipy and wfdb.

Both sides get the same bytes of a 12-lead ECG of 10 s at 500 Hz, and the same ONNX model in ONNX
Runtime with one thread. The obvious way parses (pandas, scipy.io, wfdb), conditions (scipy), and
runs; ours goes through the readers, the conditioning and the session that the services use. They take
turns; ratios are medians of pairs.

    taskset -c 0 .venv/bin/python -m benchmarks.bytes_to_prediction [--rounds 25]
"""

from __future__ import annotations

import argparse
import io
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pandas as pd
import scipy
import scipy.io
import scipy.ndimage
import scipy.signal
import wfdb

from precordia.leads import STANDARD_LEADS
from precordia.manifest import Activation, InputSpec, Manifest, Output, Task
from precordia.record import Hints, Unit
from precordia.signal import condition
from precordia.source import Source
from precordia.steps import Step
from services.inference.engine import Device, OnnxRuntimeEngine
from services.inference.scoring import activate
from services.ingest.formats import read_source

RATE_HZ, SECONDS, GAIN = 500, 10, 1000.0
_SHIPPED = Path(__file__).parent.parent / "services" / "registry" / "shipped" / "precordia-superclasses"
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Contract:
    """A model, and how the obvious way conditions for it."""

    name: str
    graph: bytes
    manifest: Manifest
    obvious: Callable[[Array], Array]


@dataclass(frozen=True)
class Kind:
    """One kind of file, and how the obvious way parses it to (leads, samples) in mV."""

    name: str
    source: Source
    hints: Hints
    parse: Callable[[], Array]


def older_conditioning(millivolts: Array) -> Array:
    """Plain FFT resampling to 100 Hz, minus a running median of 2 s, in microvolt."""
    x = scipy.signal.resample(millivolts * 1000.0, 100 * SECONDS, axis=1)
    return x - scipy.ndimage.median_filter(x, size=(1, 201), mode="reflect")


def without_baseline(millivolts: Array) -> Array:
    """Plain FFT resampling to 100 Hz, in microvolt."""
    return scipy.signal.resample(millivolts * 1000.0, 100 * SECONDS, axis=1)


def shipped_conditioning(millivolts: Array) -> Array:
    """Band-pass 0.5-40 Hz, resampling to 100 Hz, z-score by lead."""
    band = scipy.signal.butter(4, (0.5, 40.0), "bandpass", fs=RATE_HZ, output="sos")
    x = scipy.signal.resample(scipy.signal.sosfiltfilt(band, millivolts, axis=1), 100 * SECONDS, axis=1)
    return (x - x.mean(axis=1, keepdims=True)) / x.std(axis=1, keepdims=True)


def contracts() -> list[Contract]:
    """XceptionTime with and without baseline removal where the test data is there, and the shipped model."""
    found = []
    testdata = os.environ.get("PRECORDIA_TESTDATA")
    if testdata:
        graph = (Path(testdata) / "models" / "xc_super_pretrained.onnx").read_bytes()
        plain = Manifest(
            InputSpec("arg0", STANDARD_LEADS, 100.0, 10.0, Unit.MICROVOLT),
            Task.MULTICLASS,
            tuple(map(Output, ("CD", "HYP", "MI", "STTC"))),
            (Step("scipy.signal.resample", 1, {"rate_hz": 100.0}), Step("crop_or_pad", 1, {"duration_s": 10.0})),
            Activation.SOFTMAX,
            "self_1_1",
        )
        whole = replace(plain, steps=(*plain.steps, Step("median_baseline", 1, {"window_s": 2.01})))
        found += [Contract("Xception, no baseline", graph, plain, without_baseline)]
        found += [Contract("Xception", graph, whole, older_conditioning)]
    if (_SHIPPED / "manifest.json").exists():
        manifest = Manifest.parse((_SHIPPED / "manifest.json").read_bytes())
        found += [Contract("shipped", (_SHIPPED / "model.onnx").read_bytes(), manifest, shipped_conditioning)]
    return found


def ecg() -> Array:
    """Counts of a made-up ECG, (samples, leads): beats, wandering baseline, noise."""
    draw = np.random.default_rng(12)
    time_s = np.arange(RATE_HZ * SECONDS) / RATE_HZ
    beats = np.exp(-(((time_s % 0.85) - 0.4) ** 2) / 2e-4)
    leads = [draw.uniform(-1.2, 1.2) * beats + 0.2 * np.sin(0.6 * time_s + n) for n in range(12)]
    return np.rint(GAIN * (np.array(leads).T + draw.normal(0, 0.01, (time_s.size, 12)))).astype(np.int16)


def kinds(folder: Path) -> list[Kind]:
    """The same ECG as CSV, as the Challenge's .mat and as WFDB format 16; wfdb can read files only."""
    counts = ecg()
    table = pd.DataFrame(counts / GAIN, columns=list(STANDARD_LEADS)).to_csv(index=False).encode()
    file = io.BytesIO()
    scipy.io.savemat(file, {"val": counts.T}, format="4")
    mat, dat = file.getvalue(), counts.astype("<i2").tobytes()
    mat_header, dat_header = header("m", "m.mat", "16+24", counts), header("d", "d.dat", "16", counts)
    for name, content in (("m.mat", mat), ("m.hea", mat_header), ("d.dat", dat), ("d.hea", dat_header)):
        (folder / name).write_bytes(content)

    def record(name: str) -> Array:
        physical: Array = wfdb.rdrecord(str(folder / name)).p_signal
        return physical.T

    return [
        Kind(
            "CSV",
            Source("e.csv", table),
            Hints(sample_rate_hz=RATE_HZ, unit=Unit.MILLIVOLT),
            lambda: pd.read_csv(io.BytesIO(table)).to_numpy().T,
        ),
        Kind(".mat", Source("m.hea", mat_header, {"m.mat": mat}), Hints(), lambda: record("m")),
        Kind("WFDB", Source("d.hea", dat_header, {"d.dat": dat}), Hints(), lambda: record("d")),
    ]


def header(name: str, data: str, layout: str, counts: Array) -> bytes:
    """A WFDB header for the counts."""
    lines = [f"{name} 12 {RATE_HZ} {len(counts)}"]
    for column, lead in enumerate(STANDARD_LEADS):
        checksum = int(counts[:, column].astype(np.int64).sum()) & 0xFFFF
        lines.append(f"{data} {layout} {GAIN:g}/mV 16 0 {counts[0, column]} {checksum} 0 {lead}")
    return ("\n".join(lines) + "\n").encode()


class Stages:
    """Times of the stages of one way: read, condition, run."""

    def __init__(self) -> None:
        self.ms: dict[str, list[float]] = {"read": [], "condition": [], "run": []}

    def time(self, stage: str, work: Callable[[], Any]) -> Any:
        """Runs a stage and notes the processor time of this thread, which all stages run on."""
        began = time.thread_time()
        made = work()
        self.ms[stage].append(1000 * (time.thread_time() - began))
        return made

    def totals(self, *, model: bool) -> list[float]:
        """Whole times, with or without the model's own."""
        parts = [self.ms["read"], self.ms["condition"]] + ([self.ms["run"]] if model else [])
        return [sum(part) for part in zip(*parts, strict=True)]


def compare(contract: Contract, kind: Kind, rounds: int) -> tuple[Stages, Stages, float]:
    """Both ways in turns; also the largest difference of their scores."""
    session = OnnxRuntimeEngine(device=Device.CPU).load(contract.graph)
    name, output = contract.manifest.input.name, contract.manifest.output_name

    def run(x: Array) -> Array:
        return activate(session.run({name: x}, output).astype(np.float64), contract.manifest.activation)

    def ours(stages: Stages) -> Array:
        signal = stages.time("read", lambda: read_source(kind.source, kind.hints)[0].signal())
        made = stages.time("condition", lambda: condition(signal, contract.manifest))
        return stages.time("run", lambda: run(made.x))

    def obvious(stages: Stages) -> Array:
        millivolts = stages.time("read", kind.parse)
        x = stages.time("condition", lambda: contract.obvious(millivolts))
        return stages.time("run", lambda: run(x[None].astype(np.float32)))

    difference = float(np.abs(ours(Stages()) - obvious(Stages())).max())
    mine, theirs = Stages(), Stages()
    for number in range(rounds):
        for way, stages in ((ours, mine), (obvious, theirs))[:: 1 if number % 2 else -1]:
            way(stages)
    return mine, theirs, difference


def ratio(mine: Stages, theirs: Stages, *, model: bool) -> str:
    """Median of the pairs' ratios, with quartiles."""
    pairs = zip(theirs.totals(model=model), mine.totals(model=model), strict=True)
    low, middle, high = statistics.quantiles([other / own for other, own in pairs], n=4)
    return f"{middle:6.2f} ({low:.1f}..{high:.1f})"


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=25)
    rounds = parser.parse_args().rounds
    print(f"Python {platform.python_version()}, numpy {np.__version__}, scipy {scipy.__version__}")
    print(f"pandas {pd.__version__}, wfdb {wfdb.__version__}, ONNX Runtime {ort.__version__}, {platform.machine()}")
    print("one thread, processor time, median ms of each stage")
    print(f"{'contract':22}{'file':6}{'ours: read cond run':>24}{'obvious: read cond run':>26}", end="")
    print(f"{'ratio without model':>24}{'ratio with model':>20}  difference")
    with tempfile.TemporaryDirectory() as folder:
        for contract in contracts():
            for kind in kinds(Path(folder)):
                mine, theirs, difference = compare(contract, kind, rounds)
                shown = [
                    " ".join(f"{statistics.median(part):7.2f}" for part in way.ms.values()) for way in (mine, theirs)
                ]
                print(f"{contract.name:22}{kind.name:6}{shown[0]:>24}{shown[1]:>26}", end="")
                print(f"{ratio(mine, theirs, model=False):>24}{ratio(mine, theirs, model=True):>20}  {difference:.1e}")


if __name__ == "__main__":
    main()
