"""A job's folder: what the service and the worker tell each other, each file whole or not there."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from precordia.errors import InternalError, PrecordiaError, by_reason

PLAN, OUTCOME, WORKER, ATTEMPT, STOP, LOCK = "plan.json", "outcome.json", "worker.json", "attempt", "stop", "lock"
ABOUT = "about.json"
OUTPUTS = "outputs"
LOG = "worker.log"
CHECKPOINT = "checkpoint.safetensors"
FINISHED = "finished.safetensors"
"""Weights of a network of several that needs no more training."""
MEMBERS, SEARCH = "members", "search"
"""Folders of the networks of a model, and of the networks that were tried."""


@dataclass(frozen=True)
class Outcome:
    """How a worker ended: facts of the model, or the error that it met."""

    facts: Mapping[str, Any]
    error: PrecordiaError | None = None


class JobFolder:
    """One job's folder.

    plan.json: what to do; about.json: the model's name, and the job's; attempt: number of the worker
    whose reports count; stop: present = stop; lock: held by the worker while it lives; worker.json:
    the process that holds it; outcome.json: written last; outputs/: the files of the model version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def outputs(self) -> Path:
        """Folder of the finished model's files."""
        return self.path / OUTPUTS

    def write(self, name: str, value: Any) -> None:
        """Replace a JSON file in one step, durably."""
        temporary = self.path / f".{name}.{os.getpid()}"
        with temporary.open("w") as opened:
            json.dump(value, opened, sort_keys=True)
            opened.flush()
            os.fsync(opened.fileno())
        temporary.replace(self.path / name)

    def read(self, name: str) -> Any:
        """A JSON file, or None where there is none."""
        try:
            return json.loads((self.path / name).read_text())
        except FileNotFoundError:
            return None

    @property
    def attempt(self) -> int:
        """Number of the worker whose reports count."""
        return int(self.read(ATTEMPT) or 0)

    def begin_attempt(self) -> int:
        """A new worker's number; from now on older ones are refused. Withdraws a wish to stop."""
        number = self.attempt + 1
        self.write(ATTEMPT, number)
        (self.path / STOP).unlink(missing_ok=True)
        return number

    def ask_to_stop(self) -> None:
        """Tell the worker to stop between two steps."""
        (self.path / STOP).touch()

    @property
    def stop_is_asked(self) -> bool:
        """Whether the worker is to stop."""
        return (self.path / STOP).exists()

    def finish(self, facts: Mapping[str, Any]) -> None:
        """Note success; the outputs are complete."""
        self.write(OUTCOME, {"facts": dict(facts)})

    def fail(self, error: PrecordiaError) -> None:
        """Note the error that ended the work."""
        self.write(OUTCOME, {"reason": error.reason, "message": error.message, "details": error.details})

    def outcome(self) -> Outcome | None:
        """How the work ended, or None while it has not."""
        said = self.read(OUTCOME)
        if said is None:
            return None
        if "facts" in said:
            return Outcome(said["facts"])
        kind = by_reason().get(said["reason"], InternalError)
        return Outcome({}, kind(said["message"], **said["details"]))

    def locked(self) -> IO[bytes] | None:
        """The folder's lock, held until the file is closed; None where another process holds it."""
        opened = (self.path / LOCK).open("ab")
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            opened.close()
            return None
        return opened

    @property
    def is_worked_on(self) -> bool:
        """Whether a worker lives: the lock ends with its process, however it ends."""
        free = self.locked()
        if free is None:
            return True
        free.close()
        return False
