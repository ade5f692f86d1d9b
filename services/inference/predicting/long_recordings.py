"""Recordings of hours: conditioned once, beside the queue; their windows then wait in it one by one.

What is more urgent gets in between two windows. A stretch of windows is queued at a time, so that a day
takes no more places than a few ECGs. The scores are those of one piece: the whole recording is
conditioned, since filters and resampling see across windows; only the runs of the graph are shared out.

Memory: a lead is conditioned at a time (where no step looks at all leads together), at about 22 times
its samples as float32; beside it lie the recording as it came and the windows. 24 h of 12 leads at 250 Hz,
the longest that ingest reads: 0.5 GB of counts, 0.4 GB of windows at 100 Hz, 1.9 GB for a while. Two such
recordings are in memory at most.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from precordia.errors import (
    Cancelled,
    DeadlineExceeded,
    MissingLead,
    Overloaded,
    PrecordiaError,
    TooLarge,
    UnsupportedView,
)
from precordia.manifest import Manifest
from precordia.prediction import Priority
from precordia.record import Recording, Remark, Sex, Signal
from precordia.rpc.workers import in_worker
from precordia.signal import condition, conditioner, lead_missing
from precordia.signal.resampling import continued_grid
from precordia.stored import StoredRecording
from services.inference.engine.host_buffers import Tensor
from services.inference.models.calls import answers_by_stretches
from services.inference.models.serving import ServingModel
from services.inference.scoring.input_hash import input_sha256
from services.inference.scoring.scores import EcgJob, Scored, all_flat, co_input_remarks, scored
from services.inference.scoring.signal_remarks import NOT_ASSESSED, Known, derived_remarks, known_of, quality_remarks
from services.inference.scoring.tensors import TensorAnswer, TensorJob
from services.inference.statistics import Phases

LONGEST_S = 48 * 3600
_MOST_VALUES = 2**29
"""Numbers of all windows together: 2 GiB."""

_WHOLE = 12
"""An ECG of so many windows is one piece of work: a few dozen milliseconds for most models."""

_STRETCH = 64
"""Windows that wait in the queue at a time; a fourth of a short queue."""

_AT_ONCE = 2

_EINTHOVEN = ("I", "II", "III")
"""What the other limb leads follow from."""


class NativeRecordings(Protocol):
    """What is needed of ingest; `precordia.client` has it."""

    async def native_recording(self, recording_id: str) -> Recording:
        """Every channel as its source has it."""


class Loaded(Protocol):
    """An ECG in memory."""

    @property
    def leads(self) -> tuple[str, ...]:
        """Standard leads that have samples."""

    def signal(self, leads: tuple[str, ...]) -> Signal:
        """With these leads at least, and those that they follow from."""

    def quality(self) -> tuple[Remark, ...]:
        """What is wrong with it, where nobody has said so."""


@dataclass(frozen=True, eq=False)
class SignalInMemory:
    """A signal that came with the call, or in one answer."""

    whole: Signal

    @property
    def leads(self) -> tuple[str, ...]:
        """See `Loaded.leads`."""
        rows = zip(self.whole.leads, self.whole.values, strict=True)
        return tuple(lead for lead, row in rows if np.isfinite(row).any())

    def signal(self, leads: tuple[str, ...]) -> Signal:
        """See `Loaded.signal`."""
        return self.whole

    def quality(self) -> tuple[Remark, ...]:
        """See `Loaded.quality`."""
        return quality_remarks(self.whole)


@dataclass(frozen=True, eq=False)
class NativeInMemory:
    """A recording as its source has it, mostly counts in half the memory."""

    recording: Recording

    @property
    def leads(self) -> tuple[str, ...]:
        """See `Loaded.leads`."""
        return self.recording.leads

    def signal(self, leads: tuple[str, ...]) -> Signal:
        """See `Loaded.signal`; the other channels stay counts."""
        needed = {*leads} if {*leads} <= {*self.recording.leads} else {*leads, *_EINTHOVEN}
        channels = tuple(channel for channel in self.recording.ecg_channels if channel.label in needed)
        return replace(self.recording, channels=channels).signal(leads)

    def quality(self) -> tuple[Remark, ...]:
        """None of an import that did not assess; a second look would take the memory of all leads at once."""
        return (NOT_ASSESSED,)


@dataclass(frozen=True, eq=False)
class LongJob:
    """An ECG of hours to score; it is read when its turn comes.

    Attributes:
        duration_s: its length.
        load: gets it into memory.
    """

    duration_s: float
    load: Callable[[], Awaitable[Loaded]]
    known: Known
    age_years: float | None = None
    sex: Sex | None = None
    temperature: float = 1.0


@dataclass(frozen=True, eq=False)
class _Prepared:
    """Windows, ready for the graph, (windows, leads, samples), and what is to be said of them."""

    x: Tensor
    input_sha256: str
    remarks: tuple[Remark, ...]


def is_long(duration_s: float, manifest: Manifest) -> bool:
    """Whether an ECG has more windows than are scored in one piece."""
    return _windows(duration_s, manifest) > _WHOLE


def job_of(ecg: EcgJob) -> LongJob:
    """An ECG whose signal is here."""

    async def load() -> Loaded:
        return SignalInMemory(ecg.signal)

    return LongJob(ecg.signal.duration_s, load, ecg.known or Known(), ecg.age_years, ecg.sex, ecg.temperature)


def stored_job(recordings: NativeRecordings, stored: StoredRecording, temperature: float) -> LongJob:
    """A recording that is too long for one answer of ingest; its channels come as a stream.

    Raises:
        UnsupportedView: its leads differ in rate or length.
    """
    if not stored.sample_rate_hz or not stored.samples:
        raise UnsupportedView("The recording's leads differ in rate or length.")

    async def load() -> Loaded:
        return NativeInMemory(await recordings.native_recording(stored.recording_id))

    duration_s = stored.samples / stored.sample_rate_hz
    return LongJob(duration_s, load, known_of(stored), stored.age_years, stored.sex, temperature)


class LongRecordings:
    """Scores them, two at once."""

    def __init__(self) -> None:
        self._turn = asyncio.Semaphore(_AT_ONCE)

    async def score(
        self, model: ServingModel, job: LongJob, *, priority: Priority, deadline: float | None
    ) -> Scored | PrecordiaError:
        """The scores of the whole, aggregated over its windows; or why there are none.

        Raises:
            Overloaded: the queue had no room for its first windows.
            DeadlineExceeded: the deadline passed; the windows that still waited were dropped.
        """
        if error := _too_large(job, model.manifest):
            return error
        async with self._turn:
            try:
                prepared = await in_worker(_prepare, model.manifest, await job.load(), job)
            except (Cancelled, DeadlineExceeded, Overloaded):
                raise
            except PrecordiaError as error:
                return error
            return await self._run(model, job, prepared, priority, deadline)

    async def _run(
        self, model: ServingModel, job: LongJob, prepared: _Prepared, priority: Priority, deadline: float | None
    ) -> Scored | PrecordiaError:
        manifest = model.manifest
        window = _window_jobs(manifest, job, prepared.x)
        size = max(1, min(_STRETCH, model.batcher.policy.capacity // 4))
        rows: list[Tensor] = []
        runs: list[Phases] = []
        answers = await answers_by_stretches(model, window, len(prepared.x), size, priority=priority, deadline=deadline)
        for answer in answers:
            if isinstance(answer, PrecordiaError):
                return answer
            assert isinstance(answer, TensorAnswer), "windows are tensors"
            rows.append(answer.tensors[manifest.output_name])
            runs.append(answer.phases)
        remarks = (*prepared.remarks, *co_input_remarks(manifest, job.age_years, job.sex))
        return scored(np.concatenate(rows), manifest, job.temperature, prepared.input_sha256, remarks, _together(runs))


def _too_large(job: LongJob, manifest: Manifest) -> TooLarge | None:
    if job.duration_s > LONGEST_S:
        return TooLarge(f"An ECG of at most {LONGEST_S // 3600} hours is scored; send a longer one in parts.", limit=48)
    values = _windows(job.duration_s, manifest) * len(manifest.input.leads) * manifest.input.samples
    if values > _MOST_VALUES:
        return TooLarge("The windows of this ECG do not fit into memory; send parts of it.", limit=_MOST_VALUES)
    return None


def _windows(duration_s: float, manifest: Manifest) -> int:
    """About how many windows an ECG is cut into."""
    whole_s = manifest.input.duration_s
    return 1 + int(max(0.0, duration_s - whole_s) / (manifest.windows.stride_s or whole_s))


def _window_jobs(manifest: Manifest, job: LongJob, x: Tensor) -> Callable[[int], TensorJob]:
    """What makes the queue's work of a window, by its number."""
    beside: dict[str, Tensor] = {}
    if manifest.co_inputs is not None:
        row = manifest.co_inputs.row(job.age_years, job.sex)
        beside[manifest.co_inputs.name] = np.asarray([row], np.float32)
    wanted = (manifest.output_name,)
    return lambda number: TensorJob({manifest.input.name: x[number : number + 1], **beside}, wanted)


def _prepare(manifest: Manifest, ecg: Loaded, job: LongJob) -> _Prepared:
    """All windows and what is to be said of them. Blocking: call it from a worker thread.

    Raises:
        PrecordiaError: as `precordia.signal.condition`; or every lead is flat all the time.
    """
    remarks = [*(() if job.known.assessed else ecg.quality()), *job.known.remarks]
    by_lead = not any(step.parameters.get("by") == "record" for step in manifest.steps)
    x, said = _lead_by_lead(manifest, ecg) if by_lead else _at_once(manifest, ecg)
    remarks += said
    continued_grid.cache_clear()  # it would keep a ramp as long as the recording
    if refusal := all_flat(x, remarks, manifest):
        raise refusal
    return _Prepared(x, input_sha256(x, manifest, job.age_years, job.sex), tuple(dict.fromkeys(remarks)))


def _at_once(manifest: Manifest, ecg: Loaded) -> tuple[Tensor, list[Remark]]:
    """Windows of all leads together, where a step looks at them together."""
    signal = ecg.signal(manifest.input.leads)
    _absent(manifest, ecg, signal)
    made = condition(signal, manifest)
    return made.x, [*derived_remarks(signal, manifest.input.leads), *made.remarks]


def _lead_by_lead(manifest: Manifest, ecg: Loaded) -> tuple[Tensor, list[Remark]]:
    """The same windows with the memory of one lead; those of absent optional leads stay zeros."""
    spec, x = manifest.input, np.zeros((0, 0, 0), np.float32)
    needed = next(lead for lead in spec.leads if lead not in spec.optional_leads)
    absent = _absent(manifest, ecg, ecg.signal((needed,)))
    remarks: list[Remark] = []
    for number, lead in enumerate(spec.leads):
        made = None if lead in absent else _one_lead(manifest, ecg, lead)
        if made is None:
            remarks.append(lead_missing(lead))
            continue
        windows, said = made
        remarks += said
        if not x.size:
            x = np.zeros((len(windows), len(spec.leads), windows.shape[2]), np.float32)
        x[:, number] = windows[:, 0]
    return x, remarks


def _one_lead(manifest: Manifest, ecg: Loaded, lead: str) -> tuple[Tensor, list[Remark]] | None:
    """Windows of one lead; None for an optional one without a sample."""
    signal = ecg.signal((lead,))
    try:
        made = condition(signal, replace(manifest, input=replace(manifest.input, leads=(lead,), optional_leads=())))
    except MissingLead:
        if lead not in manifest.input.optional_leads:
            raise
        return None
    return made.x, [*derived_remarks(signal, (lead,)), *made.remarks]


def _absent(manifest: Manifest, ecg: Loaded, signal: Signal) -> tuple[str, ...]:
    """Optional leads that are not there; refuses for all others, before the first of them is conditioned."""
    return conditioner(
        manifest,
        leads=ecg.leads,
        sample_rate_hz=signal.sample_rate_hz,
        unit=signal.unit,
        applied=signal.applied,
    ).silent


def _together(runs: Sequence[Phases]) -> Phases:
    """The times of all runs, as if they were one."""
    distinct = list({id(run): run for run in runs}.values())
    return Phases(
        min(run.began_ns for run in distinct),
        sum(run.input_ns for run in distinct),
        sum(run.infer_ns for run in distinct),
        sum(run.output_ns for run in distinct),
    )
