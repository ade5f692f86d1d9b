"""Python runs this in every process that has this folder on its path: it holds long work where a test wants it.

PRECORDIA_TEST_HOLD names a folder. Where it has a file named for a kind of event, with a number, whoever has
reported so many events of that kind waits until the file is gone or the work is to stop: the work is then under
way for certain, however quick or slow the machine. A trainer's worker waits in the middle of the next epoch; with
"publication" and 0 the registry waits between the last byte of a publication and its examination.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any


def limit(kind: str) -> float:
    try:
        return float((Path(os.environ["PRECORDIA_TEST_HOLD"]) / kind).read_text())
    except FileNotFoundError:
        return float("inf")


def wait(context: Any, kind: str, done: int) -> None:
    while done >= limit(kind) and not (context.stopping or context.cancel_requested):
        time.sleep(0.01)


def hold_workers() -> None:
    from services.trainer.job.folder import JobFolder
    from services.trainer.job.journal import read_journal

    asked: Any = JobFolder.stop_is_asked.fget
    steps: dict[int, int] = {}

    def must_wait(job: JobFolder) -> bool:
        most = limit("epoch")
        if most == float("inf"):
            return False
        done = sum(entry.kind == "epoch" for entry in read_journal(job.path))
        steps[done] = steps.get(done, 0) + 1
        return done >= most and steps[done] > 1

    def stop_is_asked(job: JobFolder) -> bool:
        while must_wait(job) and not asked(job):
            time.sleep(0.01)
        return bool(asked(job))

    JobFolder.stop_is_asked = property(stop_is_asked)  # type: ignore[assignment,method-assign]


def hold_publications() -> None:
    from services.registry.onnx_check import ModelCheck

    published = ModelCheck.published

    def wait_and_publish(check: ModelCheck, *arguments: Any) -> Any:
        while limit("publication") == 0:
            (Path(os.environ["PRECORDIA_TEST_HOLD"]) / ".publication-waits").touch()
            time.sleep(0.01)
        return published(check, *arguments)

    ModelCheck.published = wait_and_publish  # type: ignore[method-assign]


def hold_verdicts() -> None:
    from precordia.operations.context import OperationContext

    emit = OperationContext.emit
    told: dict[tuple[str, str], int] = {}

    def emit_and_wait(context: OperationContext, kind: str, payload: Any, **more: Any) -> Any:
        event = emit(context, kind, payload, **more)
        key = (context.operation.operation_id, kind)
        told[key] = told.get(key, 0) + 1
        wait(context, kind, told[key])
        return event

    OperationContext.emit = emit_and_wait  # type: ignore[assignment,method-assign]


def hold_progress() -> None:
    from precordia.operations.context import OperationContext

    progress = OperationContext.progress

    def progress_and_wait(context: OperationContext, done: int, total: int) -> None:
        progress(context, done, total)
        if done >= limit("progress"):
            context.flush_progress()
        wait(context, "progress", done)

    OperationContext.progress = progress_and_wait  # type: ignore[method-assign]


HOLDERS = {
    "services.ingest": hold_verdicts,
    "services.inference": hold_progress,
    "services.registry": hold_publications,
    "services.trainer.worker": hold_workers,
    "from multiprocessing.spawn import spawn_main": hold_workers,
}

if "PRECORDIA_TEST_HOLD" in os.environ:
    for program, hold in HOLDERS.items():
        if any(word.partition(";")[0] == program for word in sys.orig_argv):
            hold()
            break
