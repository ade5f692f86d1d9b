"""From a file's bytes to scores on one core, stage by stage, against the obvious way with pandas, scipy and wfdb.

Both sides get the same bytes of a 12-lead ECG of 10 s at 500 Hz, and the same ONNX model in ONNX
Runtime with one thread. The obvious way parses (pandas, wfdb), stores and fetches the samples (SQLite), as a
platform does that predicts what is in its database alone, conditions (scipy; the running median lead by lead,
which is 25 times as fast as on the whole array), and runs. Ours goes through the readers, with every check that an
import makes, the conditioning and the session that the services use, and keeps nothing, as `predict
--no-keep`. Ratios are given with and without the other side's store. They take turns; ratios are medians of pairs.
The int8 column puts our int8 graph against the obvious way's float one.

    taskset -c 0 .venv/bin/python -m benchmarks.bytes_to_prediction [--rounds 25]
"""

from __future__ import annotations

import argparse
import io
import os
import platform
import sqlite3
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
from services.inference.engine.onnx_runtime import OnnxRuntimeEngine
from services.inference.engine.providers import Device
from services.inference.quantization.graph import observable, observing, prepared, quantized
from services.inference.quantization.ranges import ObservingSession, Rule
from services.inference.scoring.scores import activate
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
    return x - np.stack([scipy.ndimage.median_filter(lead, size=201, mode="reflect") for lead in x])


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
    one, two = leads[0], leads[1]
    leads[2:6] = [two - one, -(one + two) / 2, one - two / 2, two - one / 2]  # as the limb leads of every ECG
    noise = draw.normal(0, 0.01, (time_s.size, 12))
    noise[:, 2:6] = 0
    noise[:, 2] = noise[:, 1] - noise[:, 0]
    return np.rint(GAIN * (np.array(leads).T + noise)).astype(np.int16)


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


class Shelf:
    """Samples in SQLite: a row a recording, committed, and read back."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path)
        self._database.execute("CREATE TABLE recordings (id INTEGER PRIMARY KEY, samples BLOB)")

    def there_and_back(self, millivolts: Array) -> Array:
        """The samples, stored and fetched."""
        content = np.ascontiguousarray(millivolts, np.float32).tobytes()
        with self._database:
            row = self._database.execute("INSERT INTO recordings (samples) VALUES (?)", (content,)).lastrowid
        (kept,) = self._database.execute("SELECT samples FROM recordings WHERE id = ?", (row,)).fetchone()
        return np.frombuffer(kept, np.float32).reshape(millivolts.shape).astype(np.float64)


class Stages:
    """Times of the stages of one way: read, store, condition, run, and run of the int8 graph."""

    def __init__(self) -> None:
        self.ms: dict[str, list[float]] = {"read": [], "store": [], "condition": [], "run": [], "int8": []}

    def time(self, stage: str, work: Callable[[], Any]) -> Any:
        """Runs a stage and notes the processor time of this thread, which all stages run on."""
        began = time.thread_time()
        made = work()
        self.ms[stage].append(1000 * (time.thread_time() - began))
        return made

    def totals(self, *stages: str) -> list[float]:
        """Times of these stages together, those that this way has."""
        parts = [self.ms[stage] for stage in stages if self.ms[stage]]
        return [sum(part) for part in zip(*parts, strict=True)]

    def median(self, stage: str) -> str:
        """Of one stage, ms."""
        return f"{statistics.median(self.ms[stage]):.2f}" if self.ms[stage] else "-"


def in_int8(contract: Contract, x: Array) -> bytes:
    """The contract's graph in integers, for its time: its ranges are those of this one ECG."""
    model = prepared(contract.graph)
    engine = OnnxRuntimeEngine(device=Device.CPU)
    session = ObservingSession(engine.load(observing(model)), observable(model), contract.manifest.output_name)
    for session.counting in (False, True):
        session.run({contract.manifest.input.name: x}, contract.manifest.output_name)
    return quantized(model, session.ranges(Rule.WHOLE))


def compare(contract: Contract, kind: Kind, shelf: Shelf, rounds: int) -> tuple[Stages, Stages, float]:
    """Both ways in turns; also the largest difference of their scores."""
    engine = OnnxRuntimeEngine(device=Device.CPU)
    session = engine.load(contract.graph)
    first = condition(read_source(kind.source, kind.hints)[0].signal(), contract.manifest)
    small = engine.load(in_int8(contract, first.x))
    name, output = contract.manifest.input.name, contract.manifest.output_name

    def run(x: Array) -> Array:
        return activate(session.run({name: x}, output).astype(np.float64), contract.manifest.activation)

    def ours(stages: Stages) -> Array:
        signal = stages.time("read", lambda: read_source(kind.source, kind.hints)[0].signal())
        made = stages.time("condition", lambda: condition(signal, contract.manifest))
        stages.time("int8", lambda: small.run({name: made.x}, output))
        return stages.time("run", lambda: run(made.x))

    def obvious(stages: Stages) -> Array:
        parsed = stages.time("read", kind.parse)
        millivolts = stages.time("store", lambda: shelf.there_and_back(parsed))
        x = stages.time("condition", lambda: contract.obvious(millivolts))
        return stages.time("run", lambda: run(x[None].astype(np.float32)))

    difference = float(np.abs(ours(Stages()) - obvious(Stages())).max())
    mine, theirs = Stages(), Stages()
    for number in range(rounds):
        for way, stages in ((ours, mine), (obvious, theirs))[:: 1 if number % 2 else -1]:
            way(stages)
    return mine, theirs, difference


WITHOUT_STORE, WITH_STORE = ("read", "condition"), ("read", "store", "condition")


def ratio(mine: Stages, theirs: Stages, stages: tuple[str, ...], *, ours: str = "", model: str = "") -> str:
    """Median of the pairs' ratios, with quartiles.

    Args:
        mine: our times.
        theirs: of the obvious way.
        stages: that count.
        ours: our run of the model, if it counts.
        model: the obvious way's.
    """
    pairs = zip(
        theirs.totals(*stages, *filter(None, [model])),
        mine.totals("read", "condition", *filter(None, [ours])),
        strict=True,
    )
    low, middle, high = statistics.quantiles([other / own for other, own in pairs], n=4)
    return f"{middle:6.2f} ({low:.1f}..{high:.1f})"


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=25)
    rounds = parser.parse_args().rounds
    print(f"Python {platform.python_version()}, numpy {np.__version__}, scipy {scipy.__version__}")
    print(f"pandas {pd.__version__}, wfdb {wfdb.__version__}, ONNX Runtime {ort.__version__}, {platform.machine()}")
    print("one thread, processor time, median ms of each stage; then obvious / ours, quartiles in brackets")
    print(f"{'contract':22}{'file':6}{'ours: read cond run int8':>30}{'obvious: read store cond run':>32}", end="")
    print(f"{'no model, no store':>22}{'no model, store':>22}{'whole, store':>20}{'whole, ours int8':>20}  difference")
    with tempfile.TemporaryDirectory() as folder:
        shelf = Shelf(Path(folder) / "shelf.db")
        for contract in contracts():
            for kind in kinds(Path(folder)):
                mine, theirs, difference = compare(contract, kind, shelf, rounds)
                own = " ".join(f"{mine.median(stage):>6}" for stage in ("read", "condition", "run", "int8"))
                other = " ".join(f"{theirs.median(stage):>6}" for stage in ("read", "store", "condition", "run"))
                ratios = [
                    ratio(mine, theirs, WITHOUT_STORE),
                    ratio(mine, theirs, WITH_STORE),
                    ratio(mine, theirs, WITH_STORE, ours="run", model="run"),
                    ratio(mine, theirs, WITH_STORE, ours="int8", model="run"),
                ]
                print(f"{contract.name:22}{kind.name:6}{own:>30}{other:>32}", end="")
                print(f"{ratios[0]:>22}{ratios[1]:>22}{ratios[2]:>20}{ratios[3]:>20}  {difference:.1e}")


if __name__ == "__main__":
    main()
