"""The journal: what a worker reports, one JSON line an event, durable; the service reads along.

The worker reports an epoch after its checkpoint is safe, so a line never has to be taken back: a
worker that goes on from a checkpoint adds the lines of the epochs that the journal lacks, and no
line twice.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

JOURNAL = "events.jsonl"


@dataclass(frozen=True)
class Entry:
    """One line: which attempt of the worker wrote it, what kind of event, what it says."""

    attempt: int
    kind: str
    payload: Mapping[str, Any]
    end: int
    """Byte offset behind the line."""


class JournalWriter:
    """The worker's end. A half-written last line of an earlier worker is cut off first."""

    def __init__(self, folder: Path, attempt: int) -> None:
        self.path = folder / JOURNAL
        self.attempt = attempt
        entries = read_journal(folder)
        self.epochs = {_epoch(entry.payload) for entry in entries if entry.kind == "epoch"}
        self._file = self.path.open("ab")
        self._file.truncate(entries[-1].end if entries else 0)

    def report(self, kind: str, payload: Mapping[str, Any]) -> None:
        """Append one event; an epoch that the journal has is not said again."""
        if kind == "epoch":
            if _epoch(payload) in self.epochs:
                return
            self.epochs.add(_epoch(payload))
        line = {"attempt": self.attempt, "kind": kind, "payload": dict(payload)}
        self._file.write(json.dumps(line, sort_keys=True).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def catch_up(self, history: Sequence[Mapping[str, Any]]) -> None:
        """Report the epochs of a checkpoint that were safe and not yet said when a worker died."""
        for row in history:
            self.report("epoch", row)

    def close(self) -> None:
        """Release the file."""
        self._file.close()


def _epoch(payload: Mapping[str, Any]) -> tuple[int, int]:
    """Which network of a model, and which epoch of it."""
    return int(payload.get("member", 1)), int(payload["epoch"])


def read_journal(folder: Path, after: int = 0) -> list[Entry]:
    """Whole lines from a byte offset on; a line still being written waits for the next time."""
    path = folder / JOURNAL
    if not path.exists():
        return []
    with path.open("rb") as opened:
        opened.seek(after)
        text = opened.read()
    entries, end = [], after
    for line in text.splitlines(keepends=True):
        if not line.endswith(b"\n"):
            break
        end += len(line)
        said = json.loads(line)
        entries.append(Entry(int(said["attempt"]), str(said["kind"]), said["payload"], end))
    return entries
