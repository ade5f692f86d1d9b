"""The embedded engine: a child process a job, in a process group of its own.

A worker survives the death of the service: it goes on, and the service that comes back finds it by
the lock that it holds on the job's folder.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from services.trainer.engine import Handle
from services.trainer.job.folder import LOG, WORKER, JobFolder

WORKER_VARIABLES = {
    # Activations of one batch are a few large blocks. Kept instead of returned to the system after
    # each step, they need not be cleared by it again: a third less time a step.
    "MALLOC_MMAP_THRESHOLD_": "2147483648",
    "MALLOC_TRIM_THRESHOLD_": "2147483648",
    # Threads that wait for each other sleep. Spinning, they take the cores from the services beside
    # them, and on a busy machine from the very thread that they wait for: ten times slower there.
    "OMP_WAIT_POLICY": "PASSIVE",
}
_POLL_S = 0.05


class LocalEngine:
    """Workers as child processes of this host.

    Args:
        environment: variables that workers have beside the service's own.
    """

    name = "local processes"

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = dict(environment or {})
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def submit(self, folder: Path, attempt: int) -> Handle:
        """Start a worker on a job's folder; one that still runs there is not disturbed."""
        with (folder / LOG).open("ab") as log:
            child = subprocess.Popen(
                [sys.executable, "-m", "services.trainer.worker", str(folder), str(attempt)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **WORKER_VARIABLES, **self._environment},
                start_new_session=True,
            )
        key = str(child.pid)
        self._children[key] = child
        return Handle(folder, key)

    def reattach(self, folder: Path) -> Handle | None:
        """The worker that holds the folder's lock, if any."""
        job = JobFolder(folder)
        if not job.is_worked_on:
            return None
        said = job.read(WORKER)
        return Handle(folder, str(said["pid"])) if said else None

    def running(self, handle: Handle) -> bool:
        """Whether it still runs."""
        child = self._children.get(handle.key)
        if child is None:
            return JobFolder(handle.folder).is_worked_on
        if child.poll() is None:
            return True
        del self._children[handle.key]
        return False

    def cancel(self, handle: Handle, grace_s: float) -> None:
        """Ask it to stop, and end it where it has not stopped after the grace."""
        JobFolder(handle.folder).ask_to_stop()
        for number, wait_s in ((None, grace_s), (signal.SIGTERM, 2.0), (signal.SIGKILL, 10.0)):
            if number is not None:
                self._signal(handle, number)
            if self._ends_within(handle, wait_s):
                return

    def _signal(self, handle: Handle, number: signal.Signals) -> None:
        # Only while the worker lives: its process id, which is its group's too, is then its own.
        if self.running(handle):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(int(handle.key), number)

    def _ends_within(self, handle: Handle, seconds: float) -> bool:
        until = time.monotonic() + seconds
        while self.running(handle):
            if time.monotonic() >= until:
                return False
            time.sleep(_POLL_S)
        return True
