"""The worker: one process that carries out one job's plan. `python -m services.trainer.worker FOLDER ATTEMPT`.

It holds the folder's lock while it lives, so that there is never a second one, and leaves an
outcome when it is done. Killed at any moment, it goes on from the last checkpoint when started again.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from precordia.errors import InternalError, PrecordiaError
from services.trainer.job_folder import PLAN, WORKER, JobFolder
from services.trainer.journal import JournalWriter
from services.trainer.plan import Plan
from services.trainer.worker_environment import data_cache

log = logging.getLogger(__name__)

_LOCK_WAIT_S = 10.0
_NICE = 5  # training shares the machine with services that someone waits for


class Superseded(Exception):
    """A newer worker of the same job counts now; this one must not say anything more."""


class Worker:
    """One attempt at one job."""

    def __init__(self, folder: Path, attempt: int) -> None:
        self.job = JobFolder(folder)
        self.attempt = attempt
        self.journal = JournalWriter(folder, attempt)

    def report(self, kind: str, payload: Mapping[str, Any]) -> None:
        """Journal an event, unless a newer worker counts."""
        if self.job.attempt != self.attempt:
            raise Superseded
        self.journal.report(kind, payload)

    def should_stop(self) -> bool:
        """Whether the service asked for the end, or another worker took over."""
        return self.job.stop_is_asked

    def work(self) -> None:
        """Carry out the plan and leave the outcome."""
        from services.trainer.loop import Stopped  # torch is imported here: its absence is an outcome
        from services.trainer.production import Workplace, produce

        plan = Plan.from_json(self.job.read(PLAN))
        place = Workplace(
            folder=self.job.path,
            outputs=self.job.outputs,
            cache=data_cache(self.job.path),
            report=self.report,
            should_stop=self.should_stop,
            catch_up=self.journal.catch_up,
        )
        try:
            facts = asyncio.run(produce(plan, place))
        except Stopped:
            log.info("stopped as asked; the last checkpoint stands")
            return
        if self.job.attempt != self.attempt:
            raise Superseded
        self.job.finish(facts)


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
            Worker(folder, attempt).work()
        except Superseded:
            return 1
        except PrecordiaError as error:
            job.fail(error)
        except Exception:
            log.exception("the worker failed")
            job.fail(InternalError("Training failed by a fault of the trainer; the job's log has the cause."))
    return 0


if __name__ == "__main__":
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("services").setLevel(logging.INFO)
    sys.exit(main(Path(sys.argv[1]), int(json.loads(sys.argv[2]))))
