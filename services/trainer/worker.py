"""The worker: one process that carries out one job's plan. `python -m services.trainer.worker FOLDER ATTEMPT`.

It holds the folder's lock while it lives, so that there is never a second one, and leaves an
outcome when it is done. Killed at any moment, it goes on from the last checkpoint when started again.
Where several processes train one model together, it is their parent (see `ranks`).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from precordia.errors import InternalError, PrecordiaError
from services.trainer.job.environment import asked_processes, data_cache
from services.trainer.job.folder import PLAN, WORKER, JobFolder
from services.trainer.job.journal import JournalWriter
from services.trainer.job.workplace import Stopped, Workplace
from services.trainer.planning.plan import Plan

log = logging.getLogger(__name__)

_LOCK_WAIT_S = 10.0
_NICE = 5  # training shares the machine with services that someone waits for


class Superseded(Exception):
    """A newer worker of the same job counts now; this one must not say anything more."""


class Worker:
    """One attempt at one job, or one of several processes that make it together: `leads` = the one that reports."""

    def __init__(self, folder: Path, attempt: int, *, leads: bool = True) -> None:
        self.job = JobFolder(folder)
        self.attempt = attempt
        self.plan = Plan.from_json(self.job.read(PLAN))
        self.journal = JournalWriter(folder, attempt) if leads else None

    def report(self, kind: str, payload: Mapping[str, Any]) -> None:
        """Journal an event, unless a newer worker counts."""
        if self.journal is None:
            return
        self._check_attempt()
        self.journal.report(kind, payload)

    def should_stop(self) -> bool:
        """Whether the service asked for the end, or another worker took over."""
        return self.job.stop_is_asked

    def workplace(self) -> Workplace:
        """What the plan's work sees of this worker."""
        return Workplace(
            folder=self.job.path,
            outputs=self.job.outputs,
            cache=data_cache(self.job.path),
            report=self.report,
            should_stop=self.should_stop,
            catch_up=self.journal.catch_up if self.journal else lambda history: None,
        )

    def work(self) -> None:
        """Carry out the plan; who leads leaves the outcome."""
        from services.trainer.production import produce  # torch is imported here: its absence is an outcome

        try:
            facts = asyncio.run(produce(self.plan, self.workplace()))
        except Stopped:
            log.info("stopped as asked; the last checkpoint stands")
            return
        if self.journal is not None:
            self._check_attempt()
            self.job.finish(facts)

    def work_with(self, processes: int) -> bool:
        """Fetch the data, then have so many processes carry out the plan. Whether they came to an end."""
        from services.trainer.ranks import run_together
        from services.trainer.records.materials import fetch

        try:
            asyncio.run(fetch(self.plan, self.workplace()))  # once, before there are several to want it
        except Stopped:
            return True
        self.report("log", {"message": f"{processes} processes train together."})
        self.close()  # from here on the journal is that of the process that leads
        return run_together(self.job.path, self.attempt, processes)

    def processes(self) -> int:
        """How many processes are to train together."""
        from services.trainer.ranks import processes_wanted, shared_by

        wanted = processes_wanted(asked_processes())
        return shared_by(self.plan.recipe.batch_size, wanted)

    def close(self) -> None:
        """Release the journal."""
        if self.journal is not None:
            self.journal.close()

    def _check_attempt(self) -> None:
        if self.job.attempt != self.attempt:
            raise Superseded


def _hold(job: JobFolder) -> IO[bytes] | None:
    """The folder's lock; waits a little for a worker that is about to end."""
    until = time.monotonic() + _LOCK_WAIT_S
    while (lock := job.locked()) is None and time.monotonic() < until:
        time.sleep(0.1)
    return lock


def main(folder: Path, attempt: int) -> int:
    """Exit status 0: there is an outcome, or it was asked to stop; 1: neither."""
    job = JobFolder(folder)
    lock = _hold(job)
    if lock is None:
        return 1
    with lock:
        job.write(WORKER, {"pid": os.getpid(), "attempt": attempt})
        os.nice(_NICE)
        try:
            with contextlib.closing(Worker(folder, attempt)) as worker:
                if (processes := worker.processes()) > 1:
                    return 0 if worker.work_with(processes) else 1
                worker.work()
        except Superseded:
            return 1
        except PrecordiaError as error:
            job.fail(error)
        except Exception:  # the job must hear of it; its process ends here
            log.exception("the worker failed")
            job.fail(InternalError("Training failed by a fault of the trainer; the job's log has the cause."))
    return 0


def log_to_stderr() -> None:
    """Log lines of a worker's process, for the job's log."""
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("services").setLevel(logging.INFO)


if __name__ == "__main__":
    log_to_stderr()
    sys.exit(main(Path(sys.argv[1]), int(json.loads(sys.argv[2]))))
