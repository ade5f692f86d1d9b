"""The engine seam: who runs a job's worker, and where. The service owns everything else.

A worker obeys the plan in its job's folder, writes checkpoints, a journal and at last an outcome
there, and stops when the folder says so. An engine starts it, knows whether it still runs, and
ends it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Handle:
    """A worker that an engine started: `key` is the engine's own name for it."""

    folder: Path
    key: str


class Engine(Protocol):
    """Runs workers. Its methods block shortly and may be called from any thread."""

    @property
    def name(self) -> str:
        """What the trainer's status shows."""

    def submit(self, folder: Path, attempt: int) -> Handle:
        """Start a worker on a job's folder; one that still runs there is not disturbed."""

    def reattach(self, folder: Path) -> Handle | None:
        """The worker that runs on this folder, started by whomever; None where there is none."""

    def running(self, handle: Handle) -> bool:
        """Whether it still runs."""

    def cancel(self, handle: Handle, grace_s: float) -> None:
        """Ask it to stop, and end it where it has not stopped after the grace. Returns when it has ended."""
