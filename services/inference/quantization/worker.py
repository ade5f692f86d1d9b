"""Quantizes one model as a process of its own, so that its memory and a crash are none of the service's.

    python -m services.inference.quantization.worker FOLDER

The folder is that of `order`. Lines of JSON on stdout tell how far it is; the process ends
when its stdin does. What is finished is kept in the folder, and a process that is started again goes on there.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import logging
import os
import statistics
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from precordia.errors import FailedPrecondition, PrecordiaError
from services.inference.engine.host_buffers import Tensor
from services.inference.engine.onnx_runtime import OnnxRuntimeEngine
from services.inference.engine.providers import Device
from services.inference.engine.sessions import Session
from services.inference.quantization import accuracy
from services.inference.quantization.accuracy import Scores
from services.inference.quantization.graph import observable, observing, prepared
from services.inference.quantization.order import CHOSEN, MODEL, RESULT, Order, write_whole
from services.inference.quantization.ranges import ObservingSession, Rule
from services.inference.quantization.records import Record, Sides
from services.inference.quantization.search import Search
from services.inference.scoring.scorer import Scorer
from services.inference.scoring.scores import Scored

_CHOICE = "choice.json"
_CHUNK = 128
"""ECGs of the check between two safe points."""
_ROUNDS = 24
_BEHIND = 10


class Worker:
    """The work on one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._order = Order.read(folder)
        self._manifest = self._order.manifest
        self._engine = OnnxRuntimeEngine(device=Device.CPU, intra_op_threads=1)
        self._base = (folder / MODEL).read_bytes()
        self._sides = Sides(folder, self._order)
        self._before = 2 * self._sides.calibrating
        self._checking = self._sides.checking()

    def run(self) -> dict[str, Any]:
        """The figures of the int8 graph, which is `CHOSEN` in the folder."""
        if not self._sides.calibrating:
            raise FailedPrecondition("No ECG is left to calibrate with; name more ECGs.")
        if not (self._folder / _CHOICE).exists():
            self._choose()
        measured = self._checked()
        chosen: dict[str, Any] = json.loads((self._folder / _CHOICE).read_bytes())
        return chosen | measured | {"speed": self._speed()}

    def _choose(self) -> None:
        model = prepared(self._base)
        session = ObservingSession(self._engine.load(observing(model)), observable(model), self._manifest.output_name)
        observer = self._scorer(session)
        done = 0
        left_out: dict[str, int] = {}
        for session.counting in (False, True):
            left_out = {}
            for record in self._sides.to_calibrate():
                _note(observer([record.job])[0], left_out)
                done += 1
                self._tell_done(done)
        if sum(left_out.values()) == self._sides.calibrating:
            raise FailedPrecondition(f"The model takes none of the calibrating ECGs ({', '.join(left_out)}).")
        jobs = list(self._sides.to_choose())

        def scores(graph: bytes, count: int) -> Scores:
            return _rows(self._scored(graph, jobs[:count]))

        base = _rows(self._scored(self._base, jobs))
        ranges = {rule: session.ranges(rule) for rule in Rule}
        way = Search(model, ranges, scores, base, lambda said: _tell(log=said)).best()
        write_whole(self._folder / CHOSEN, way.graph)
        choice = {
            "ranges": way.rule.value,
            "in_float": list(way.in_float),
            "calibrated_on": self._sides.calibrating - sum(left_out.values()),
            "chosen_on": len(base),
            "size_bytes": len(way.graph),
            "base_size_bytes": len(self._base),
        }
        write_whole(self._folder / _CHOICE, json.dumps(choice).encode())

    def _tell_done(self, done: int) -> None:
        """ECGs run so far: twice to calibrate, once to check."""
        _tell(progress=[done, self._before + self._checking])

    def _scorer(self, session: Session) -> Scorer:
        return Scorer(session, self._manifest, max_rows=1)

    def _scored(self, graph: bytes, records: Iterable[Record]) -> Iterator[Scored | PrecordiaError]:
        scorer = self._scorer(self._engine.load(graph))
        return (scorer([record.job])[0] for record in records)

    def _checked(self) -> dict[str, Any]:
        """Both versions on the ECGs that judge."""
        parts, left_out = [], dict[str, int]()
        records = self._sides.to_check()
        scorers = [self._scorer(self._engine.load(graph)) for graph in (self._base, self._graph)]
        for number in range(-(-self._checking // _CHUNK)):
            chunk = itertools.islice(records, _CHUNK)
            parts.append(self._chunk(number, chunk, scorers))
            self._tell_done(self._before + min(self._checking, (number + 1) * _CHUNK))
        for part in parts:
            for reason, count in part["left_out"].items():
                left_out[reason] = left_out.get(reason, 0) + count
        rows = {
            name: np.array([row for part in parts for row in part[name]], np.float64)
            for name in ("base", "made", "truth")
        }
        asked = self._order.asked
        base, made = (rows[name].reshape(-1, len(self._manifest.outputs)) for name in ("base", "made"))
        truth = rows["truth"].reshape(-1, len(asked))
        found = accuracy.document(base, made, truth, self._manifest, asked, self._order.thresholds)
        return {"accuracy": found | {"left_out": left_out, "patients_calibrated": self._sides.shared()}}

    def _chunk(self, number: int, records: Iterator[Record], scorers: list[Scorer]) -> dict[str, Any]:
        """Scores and truths of one chunk, kept under the hash of the graph that made them."""
        path = self._folder / f"check-{hashlib.sha256(self._graph).hexdigest()[:12]}-{number}.json"
        if path.exists():
            for _ in records:  # passed over, to be at the next chunk
                pass
            kept: dict[str, Any] = json.loads(path.read_bytes())
            return kept
        made: dict[str, Any] = {"base": [], "made": [], "truth": [], "left_out": {}}
        for record in records:
            answers = [scorer([record.job])[0] for scorer in scorers]
            both = [answer.values for answer in answers if isinstance(answer, Scored)]
            if len(both) < len(answers):
                _note(next(one for one in answers if isinstance(one, PrecordiaError)), made["left_out"])
                continue
            for name, row in zip(("base", "made", "truth"), (*both, record.truth), strict=True):
                made[name].append(row.tolist())
        write_whole(path, json.dumps(made).encode())
        return made

    @property
    def _graph(self) -> bytes:
        return (self._folder / CHOSEN).read_bytes()

    def _speed(self) -> dict[str, float]:
        """Processor time of one ECG's run by each version, in turn, one thread; medians."""
        sessions = [self._engine.load(graph) for graph in (self._base, self._graph)]
        inputs = _Inputs(sessions[0])
        for record in itertools.islice(self._sides.to_calibrate(), 4):
            self._scorer(inputs)([record.job])
        ms: list[list[float]] = [[], []]
        for turn, tensors in zip(range(_ROUNDS), itertools.cycle(inputs.kept), strict=False):
            for which in (0, 1) if turn % 2 else (1, 0):
                began = time.thread_time()
                sessions[which].run(tensors, self._manifest.output_name)
                ms[which].append(1000 * (time.thread_time() - began))
        base, made = (statistics.median(times[4:]) for times in ms)
        return {"base_ms": base, "int8_ms": made, "ratio": base / made}


class _Inputs(Session):
    """A session that keeps what it is given."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.providers, self.inputs, self.outputs = session.providers, session.inputs, session.outputs
        self.kept: list[dict[str, Tensor]] = []

    def compute(self, tensors: Any, outputs: Any) -> list[Any]:
        """See `Session.compute`."""
        self.kept.append({name: tensor[:1].copy() for name, tensor in tensors.items()})
        return self._session.compute(tensors, outputs)

    def release(self) -> None:
        """See `Session.release`."""


def _rows(answers: Iterable[Scored | PrecordiaError]) -> Scores:
    rows = [answer.values for answer in answers if isinstance(answer, Scored)]
    if not rows:
        raise FailedPrecondition("The model takes none of the ECGs that choose between ways; name others.")
    return np.stack(rows)


def _note(answer: Scored | PrecordiaError, left_out: dict[str, int]) -> None:
    if isinstance(answer, PrecordiaError):
        left_out[answer.reason] = left_out.get(answer.reason, 0) + 1


def _tell(**said: Any) -> None:
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


def _end_with_stdin() -> None:
    while os.read(sys.stdin.fileno(), 1):  # past Python's own buffer, whose lock would hold up an ordinary end
        pass
    os._exit(1)


def main() -> None:
    """Work on the folder named; a refusal of ours is told on stdout."""
    threading.Thread(target=_end_with_stdin, name="end with the service", daemon=True).start()
    with contextlib.suppress(AttributeError, OSError):
        os.nice(_BEHIND)
    logging.disable(logging.WARNING)  # the quantizer warns of every tensor that it leaves as it is
    folder = Path(sys.argv[1])
    try:
        write_whole(folder / RESULT, json.dumps(Worker(folder).run()).encode())
    except PrecordiaError as error:
        _tell(error={"reason": error.reason, "message": error.message, "details": error.details})


if __name__ == "__main__":
    main()
