"""The process that quantizes: started, listened to, ended with the operation or with the service."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from precordia.errors import FailedPrecondition, PrecordiaError, by_reason
from precordia.operations import OperationContext
from services.inference.quantization.order import RESULT

log = logging.getLogger(__name__)

_WORKER = "services.inference.quantization.worker"
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
_GLANCE_S = 0.2


def quantize_apart(context: OperationContext, folder: Path) -> dict[str, Any]:
    """The figures of the int8 graph that the process leaves in the folder; its progress is the operation's.

    Raises:
        PrecordiaError: what the process refused, or FailedPrecondition where it ended otherwise.
        Cancelled, Interrupted: the operation is to stop; the process was ended.
    """
    refused: list[PrecordiaError] = []
    with _running(folder) as process:
        reader = threading.Thread(target=_listen, args=(process, context, refused), name="listen to a quantization")
        reader.start()
        try:
            while process.poll() is None:
                context.wait(_GLANCE_S)
        finally:
            process.kill()
            reader.join()
    if refused:
        raise refused[0]
    if not (folder / RESULT).exists():
        log.warning("a quantization ended with status %d", process.returncode)
        raise FailedPrecondition("The model could not be quantized: its process ended, perhaps for want of memory.")
    result: dict[str, Any] = json.loads((folder / RESULT).read_bytes())
    return result


@contextmanager
def _running(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    # Its stdin stays open and silent: it ends where this process does, however that comes about.
    with subprocess.Popen(
        (sys.executable, "-m", _WORKER, str(folder)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | _ONE_THREAD,
    ) as process:
        yield process


def _listen(process: subprocess.Popen[bytes], context: OperationContext, refused: list[PrecordiaError]) -> None:
    assert process.stdout is not None, "it was asked for"
    for line in process.stdout:
        try:
            said = json.loads(line)
            _pass_on(said, context, refused)
        except ValueError:
            log.warning("a quantization said something that is no JSON")
        except Exception:  # Interrupted among them: the thread that waits sees it too, and ends the process
            log.debug("a report of a quantization was not taken", exc_info=True)


def _pass_on(said: dict[str, Any], context: OperationContext, refused: list[PrecordiaError]) -> None:
    if "progress" in said:
        context.progress(*said["progress"])
    if "log" in said:
        context.emit("log", {"message": said["log"]})
    if "error" in said:
        error = said["error"]
        kind = by_reason().get(error["reason"], FailedPrecondition)
        details = {name: value for name, value in error["details"].items() if name != "message"}
        refused.append(kind(error["message"], **details))
