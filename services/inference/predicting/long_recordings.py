"""Recordings of hours: conditioned once, beside the queue; their windows then wait in it one by one.

What is more urgent gets in between two windows. A stretch of windows is queued at a time, so that a day
takes no more places than a few ECGs. The scores are those of one piece: the whole recording is
conditioned, since filters and resampling see across windows; only the runs of the graph are shared out.

Two such recordings are in memory at most, and a turn lasts until its thread has ended: a caller who goes away
does not wait for it, the next one does.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from precordia.errors import Cancelled, DeadlineExceeded, Overloaded, PrecordiaError, TooLarge, UnsupportedView
from precordia.manifest import Manifest
from precordia.prediction import Priority
from precordia.record import Recording, Sex
from precordia.rpc.workers import in_worker
from precordia.stored import StoredRecording
from services.inference.engine.host_buffers import Tensor
from services.inference.models.calls import answers_by_stretches
from services.inference.models.memory import give_back
from services.inference.models.serving import ServingModel
from services.inference.predicting.long_conditioning import (
    Loaded,
    NativeInMemory,
    Prepared,
    SignalInMemory,
    memory_needed,
    prepare,
)
from services.inference.scoring.scores import EcgJob, Scored, co_input_remarks, scored
from services.inference.scoring.signal_remarks import Known, known_of
from services.inference.scoring.tensors import TensorAnswer, TensorJob
from services.inference.statistics import Phases

LONGEST_S = 48 * 3600
_MOST_VALUES = 2**29
"""Numbers of all windows together: 2 GiB."""

_MOST_BYTES = 6 * 2**30
"""What conditioning one recording may take."""

_WHOLE = 12
"""An ECG of so many windows is one piece of work: a few dozen milliseconds for most models."""

_STRETCH = 64
"""Windows that wait in the queue at a time; a fourth of a short queue."""

_AT_ONCE = 2

_TIDY_S = 1.0
"""After the last recording, until its caller has let go of what it sent."""


class NativeRecordings(Protocol):
    """What is needed of ingest; `precordia.client` has it."""

    async def native_recording(self, recording_id: str) -> Recording:
        """Every channel as its source has it."""


@dataclass(frozen=True, eq=False)
class LongJob:
    """An ECG of hours to score; it is read when its turn comes.

    Attributes:
        duration_s: its length.
        sample_rate_hz: as it comes.
        load: gets it into memory.
    """

    duration_s: float
    sample_rate_hz: float
    load: Callable[[], Awaitable[Loaded]]
    known: Known
    age_years: float | None = None
    sex: Sex | None = None
    temperature: float = 1.0


def is_long(duration_s: float, manifest: Manifest) -> bool:
    """Whether an ECG has more windows than are scored in one piece."""
    return _windows(duration_s, manifest) > _WHOLE


def job_of(ecg: EcgJob) -> LongJob:
    """An ECG whose signal is here."""

    async def load() -> Loaded:
        return SignalInMemory(ecg.signal)

    signal, known = ecg.signal, ecg.known or Known()
    return LongJob(signal.duration_s, signal.sample_rate_hz, load, known, ecg.age_years, ecg.sex, ecg.temperature)


def stored_job(recordings: NativeRecordings, stored: StoredRecording, temperature: float) -> LongJob:
    """A recording that is too long for one answer of ingest; its channels come as a stream.

    Raises:
        UnsupportedView: its leads differ in rate or length.
    """
    if not stored.sample_rate_hz or not stored.samples:
        raise UnsupportedView("The recording's leads differ in rate or length.")

    async def load() -> Loaded:
        return NativeInMemory(await recordings.native_recording(stored.recording_id))

    duration_s, rate_hz = stored.samples / stored.sample_rate_hz, stored.sample_rate_hz
    return LongJob(duration_s, rate_hz, load, known_of(stored), stored.age_years, stored.sex, temperature)


class _Preparation:
    """The conditioning of one recording in a thread, which can be called off and then ends at the next lead."""

    def __init__(self, deadline: float | None) -> None:
        self._deadline = deadline
        self._called_off = threading.Event()
        self._work: asyncio.Task[Prepared] | None = None

    async def of(self, manifest: Manifest, job: LongJob) -> Prepared | PrecordiaError:
        """Its windows, or what is wrong with it.

        Who waits for them may go away: the thread is shielded from that, and told by `end`.
        """
        try:
            ecg = await job.load()
            known, age_years, sex = job.known, job.age_years, job.sex
            self._work = asyncio.ensure_future(in_worker(prepare, manifest, ecg, known, age_years, sex, self._go_on))
            return await asyncio.shield(self._work)
        except (Cancelled, DeadlineExceeded, Overloaded):
            raise
        except PrecordiaError as error:
            return error

    def end(self, then: Callable[[], None]) -> None:
        """Calls it off where it still runs, and calls `then` when nothing runs any more."""
        self._called_off.set()
        # Forgotten here: the thread's error knows this object, and would hold the windows until a collector came.
        work, self._work = self._work, None
        if work is None or work.done():
            then()
        else:
            work.add_done_callback(_nobody_asks)
            work.add_done_callback(lambda _: then())

    def _go_on(self) -> None:
        if self._called_off.is_set():
            raise Cancelled("Nobody waits for this ECG any more.")
        if self._deadline is not None and time.monotonic() >= self._deadline:
            raise DeadlineExceeded("The deadline passed while this ECG was conditioned.")


def _nobody_asks(work: asyncio.Task[Prepared]) -> None:
    """Takes the outcome of work whose caller went away; asyncio would log that nobody did."""
    if not work.cancelled():
        work.exception()


class LongRecordings:
    """Scores them, two at once."""

    def __init__(self) -> None:
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self._tidying: asyncio.TimerHandle | None = None

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
        await self._turn.acquire()
        preparation = _Preparation(deadline)
        try:
            prepared = await preparation.of(model.manifest, job)
            if isinstance(prepared, PrecordiaError):
                return prepared
            return await self._run(model, job, prepared, priority, deadline)
        finally:
            preparation.end(self._leave)

    def _leave(self) -> None:
        self._turn.release()
        if self._tidying is None:
            self._tidying = asyncio.get_running_loop().call_later(_TIDY_S, self._tidy)

    def _tidy(self) -> None:
        """Gives back to the system what the C library holds after such work; hundreds of MiB."""
        self._tidying = None
        asyncio.get_running_loop().run_in_executor(None, give_back)

    async def _run(
        self, model: ServingModel, job: LongJob, prepared: Prepared, priority: Priority, deadline: float | None
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
    windows = _windows(job.duration_s, manifest)
    if windows * len(manifest.input.leads) * manifest.input.samples > _MOST_VALUES:
        return TooLarge("The windows of this ECG do not fit into memory; send parts of it.", limit=_MOST_VALUES)
    needed = memory_needed(job.duration_s, job.sample_rate_hz, windows, manifest)
    if needed > _MOST_BYTES:
        hours = math.floor(10 * job.duration_s / 3600 * _MOST_BYTES / needed) / 10
        return TooLarge(
            f"Conditioning this ECG for this model takes up to {needed / 2**30:.1f} GiB, and {_MOST_BYTES >> 30} GiB "
            f"are the limit; send parts of {hours:.1f} hours at most.",
            limit=_MOST_BYTES,
        )
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


def _together(runs: Sequence[Phases]) -> Phases:
    """The times of all runs, as if they were one."""
    distinct = list({id(run): run for run in runs}.values())
    return Phases(
        min(run.began_ns for run in distinct),
        sum(run.input_ns for run in distinct),
        sum(run.infer_ns for run in distinct),
        sum(run.output_ns for run in distinct),
    )
