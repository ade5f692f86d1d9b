"""From signals to scores: conditioning by the manifest, one run of the graph, activation, aggregation.

Runs in a worker thread of the batcher. What is wrong with one ECG fails that one alone.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

import numpy as np

from precordia.errors import InternalError, InvalidModel, PrecordiaError, TooLarge
from precordia.manifest import Manifest
from precordia.record import Remark, Unit
from precordia.signal import Conditioned, Conditioner, conditioner
from precordia.steps import Step
from services.inference.engine.host_buffers import Tensor
from services.inference.engine.sessions import Session, TensorSpec
from services.inference.scoring.input_hash import input_sha256
from services.inference.scoring.scores import EcgJob, Scored, all_flat, co_input_remarks, scored
from services.inference.scoring.signal_remarks import derived_remarks, quality_remarks, warm
from services.inference.statistics import Phases

log = logging.getLogger(__name__)

_Kind = tuple[tuple[str, ...], float, Unit, tuple[Step, ...]]
"""What conditioning is prepared for: leads, rate, unit, and what was applied before."""

_KINDS = 64

LONGEST_S = 3600
"""Of one piece of work, which nothing interrupts; longer ECGs are `long_recordings`' to share out."""


class Scorer:
    """Scores jobs with one session under one manifest.

    Args:
        session: the loaded graph.
        manifest: its contract.
        max_rows: windows of one run at most.

    Raises:
        InvalidModel: graph and manifest do not fit together.
    """

    def __init__(self, session: Session, manifest: Manifest, *, max_rows: int = 1) -> None:
        _check_fit(session, manifest)
        self.session = session
        self._manifest = manifest
        self._conditioners: dict[_Kind, Conditioner] = {}
        self.max_rows = max_rows

    def __call__(self, jobs: Sequence[EcgJob], phases: Phases | None = None) -> list[Scored | PrecordiaError]:
        """A result or an error for each job, in order; `phases` is told how far the run is."""
        phases = phases or Phases()
        batch = _Batch(self.session, self._manifest, max(self.max_rows, len(jobs)))
        conditioned = [self._condition(job, batch) for job in jobs]
        ready = [(job, made) for job, made in zip(jobs, conditioned, strict=True) if isinstance(made, Conditioned)]
        phases.prepared()
        outputs = iter(self._run(ready, batch))
        phases.inferred()
        answers = [self._scored(job, made, outputs, phases) for job, made in zip(jobs, conditioned, strict=True)]
        phases.finished()
        return answers

    def rehearse(self, rows: int) -> None:
        """One run on zeros, for warming up and measuring."""
        warm()
        shape = (rows, len(self._manifest.input.leads), self._manifest.input.samples)
        signal = self.session.room(self._manifest.input.name, shape)
        signal.fill(0.0)
        self._outputs(
            signal,
            None if self._manifest.co_inputs is None else np.zeros((rows, self._columns), np.float32),
        )

    @property
    def _columns(self) -> int:
        return len(self._manifest.co_inputs.columns) if self._manifest.co_inputs else 0

    def _condition(self, job: EcgJob, batch: _Batch) -> Conditioned | PrecordiaError:
        filled = batch.filled
        made = self._conditioned(job, batch)
        if isinstance(made, PrecordiaError):
            batch.filled = filled
        return made

    def _conditioned(self, job: EcgJob, batch: _Batch) -> Conditioned | PrecordiaError:
        signal = job.signal
        if signal.values.shape[1] > LONGEST_S * signal.sample_rate_hz:
            return TooLarge(
                f"An ECG of at most {LONGEST_S // 60} minutes is scored in one piece; send a longer one in parts.",
                limit=LONGEST_S,
            )
        kind = (signal.leads, signal.sample_rate_hz, signal.unit, signal.applied)
        try:
            ready = self._conditioners.get(kind)
            if ready is None:
                ready = conditioner(
                    self._manifest,
                    leads=signal.leads,
                    sample_rate_hz=signal.sample_rate_hz,
                    unit=signal.unit,
                    applied=signal.applied,
                )
                if len(self._conditioners) >= _KINDS:
                    self._conditioners.clear()
                self._conditioners[kind] = ready
            made = ready.run(signal.values, batch.place)
            return all_flat(made.x, made.remarks, self._manifest) or made
        except PrecordiaError as error:
            return error
        except Exception:  # a fault of ours, which must not take the ECGs beside this one along
            log.exception("an ECG could not be conditioned")
            return InternalError("This ECG could not be conditioned; the service's log has the cause.")

    def _run(self, ready: Sequence[tuple[EcgJob, Conditioned]], batch: _Batch) -> list[Tensor]:
        """Raw outputs of each ECG, (windows, outputs): all windows in as few runs as they fit."""
        if not ready:
            return []
        windows = [made.x.shape[0] for _, made in ready]
        rows = batch.rows([made.x for _, made in ready])
        beside = self._co_inputs([job for job, _ in ready], windows)
        step = max(self.max_rows, len(ready))
        parts = [
            self._outputs(rows[at : at + step], None if beside is None else beside[at : at + step])
            for at in range(0, len(rows), step)
        ]
        outputs = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return np.split(outputs, np.cumsum(windows)[:-1])

    def _outputs(self, rows: Tensor, beside: Tensor | None) -> Tensor:
        tensors = {self._manifest.input.name: rows}
        if beside is not None and self._manifest.co_inputs is not None:
            tensors[self._manifest.co_inputs.name] = beside
        outputs = self.session.run(tensors, self._manifest.output_name)
        if outputs.shape != (len(rows), len(self._manifest.outputs)):
            raise InvalidModel(
                f"The graph gives {outputs.shape[-1]} outputs an ECG where its manifest names "
                f"{len(self._manifest.outputs)}. Publish it again with a manifest that fits."
            )
        return outputs

    def _co_inputs(self, jobs: Sequence[EcgJob], windows: Sequence[int]) -> Tensor | None:
        if self._manifest.co_inputs is None:
            return None
        table = [self._manifest.co_inputs.row(job.age_years, job.sex) for job in jobs]
        return np.repeat(np.asarray(table, np.float32), windows, axis=0)

    def _scored(
        self, job: EcgJob, made: Conditioned | PrecordiaError, outputs: Iterator[Tensor], phases: Phases
    ) -> Scored | PrecordiaError:
        if isinstance(made, PrecordiaError):
            return made
        missing = co_input_remarks(self._manifest, job.age_years, job.sex)
        remarks = tuple(dict.fromkeys([*self._said(job), *made.remarks, *missing]))
        hashed = input_sha256(made.x, self._manifest, job.age_years, job.sex)
        return scored(next(outputs), self._manifest, job.temperature, hashed, remarks, phases)

    def _said(self, job: EcgJob) -> tuple[Remark, ...]:
        """Quality first, then what the reader noticed, then what was derived before the signal came here."""
        if job.known is None:
            return ()
        found = () if job.known.assessed else quality_remarks(job.signal)
        return (*found, *job.known.remarks, *derived_remarks(job.signal, self._manifest.input.leads))


class _Batch:
    """Where conditioning writes the rows of one run: one after the other, in the session's own memory.

    What does not fit (the windows of a long recording) gets memory of its own.
    """

    def __init__(self, session: Session, manifest: Manifest, rows: int) -> None:
        shape = (rows, len(manifest.input.leads), manifest.input.samples)
        self._room = session.room(manifest.input.name, shape)
        self.filled = 0

    def place(self, shape: tuple[int, int, int]) -> Tensor:
        """Memory for the windows of the next ECG."""
        end = self.filled + shape[0]
        if end > len(self._room) or shape[1:] != self._room.shape[1:]:
            return np.empty(shape, np.float32)
        self.filled, begin = end, self.filled
        return self._room[begin:end]

    def rows(self, parts: Sequence[Tensor]) -> Tensor:
        """All rows together: as they lie, unless some found no place."""
        if self.filled == sum(map(len, parts)):
            return self._room[: self.filled]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _check_fit(session: Session, manifest: Manifest) -> None:
    inputs = {spec.name: spec for spec in session.inputs}
    wanted: dict[str, tuple[int, ...]] = {manifest.input.name: (len(manifest.input.leads), manifest.input.samples)}
    if manifest.co_inputs:
        wanted[manifest.co_inputs.name] = (len(manifest.co_inputs.columns),)
    if set(inputs) != set(wanted):
        raise InvalidModel(
            f"The graph takes {', '.join(sorted(inputs))}, its manifest names {', '.join(sorted(wanted))}. "
            "Publish it again with a manifest that fits."
        )
    for name, shape in wanted.items():
        if not _takes(inputs[name], shape):
            raise InvalidModel(f"The graph's input '{name}' does not take the shape that its manifest says.")
    if manifest.output_name not in {spec.name for spec in session.outputs}:
        raise InvalidModel(f"The graph has no output '{manifest.output_name}', which its manifest names.")


def _takes(spec: TensorSpec, shape: tuple[int, ...]) -> bool:
    dimensions = spec.shape[1:]
    return len(dimensions) == len(shape) and all(
        free is None or free == size for free, size in zip(dimensions, shape, strict=True)
    )
