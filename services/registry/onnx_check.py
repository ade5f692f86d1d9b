"""The registry's side of a model's examination: a process for each file, with limits, and its verdict."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from precordia.errors import InvalidModel, PrecordiaError, Unavailable, by_reason
from precordia.manifest import Manifest
from precordia.record import Remark
from services.registry.examined import Examined

log = logging.getLogger(__name__)

_EXAMINATION = (sys.executable, "-m", "services.registry.onnx_examination")
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""Thread pools reserve address space for each core, which would count against the limit."""


class ModelCheck:
    """Examines model files, each in a process of its own. Who calls bounds how many at a time.

    Args:
        timeout_s: wall-clock time for one file.
        memory_mib: address space for one file, beside four times the file's own size.
    """

    def __init__(self, *, timeout_s: float = 120.0, memory_mib: int = 4096) -> None:
        self._timeout_s = timeout_s
        self._memory_mib = memory_mib
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._closed = False

    def close(self) -> None:
        """End the examinations in progress; a service that stops does not wait for them."""
        with self._lock:
            self._closed = True
            for process in self._running:
                process.kill()

    def published(self, content: bytes, manifest: Manifest) -> Examined:
        """Check a file against its author's manifest; see `examine_published`."""
        verdict, _ = self._ask(content, manifest, mend=False)
        return _examined(verdict, content)

    def imported(self, content: bytes, manifest: Manifest | None) -> Examined:
        """Check and mend a file as users bring it; see `examine_imported`."""
        verdict, mended = self._ask(content, manifest, mend=True)
        return _examined(verdict, mended)

    def _ask(self, content: bytes, manifest: Manifest | None, *, mend: bool) -> tuple[dict[str, Any], bytes]:
        question = {
            "manifest": manifest.canonical() if manifest else "",
            "mend": mend,
            "memory_mib": self._memory_mib + 4 * (len(content) >> 20),
            "cpu_s": max(1, int(self._timeout_s)),
        }
        answer = self._run(json.dumps(question).encode() + b"\n" + content)
        line, _, mended = answer.partition(b"\n")
        verdict: dict[str, Any] = json.loads(line)
        if "reason" in verdict:
            raise _error(verdict)
        return verdict, mended

    def _run(self, question: bytes) -> bytes:
        with self._process() as process:
            try:
                answer, _ = process.communicate(question, timeout=self._timeout_s)
            except subprocess.TimeoutExpired:
                raise InvalidModel(f"The model could not be checked within {self._timeout_s:g} s.") from None
        if self._closed:
            raise Unavailable("The service stops; send the model again.")
        if process.returncode != 0 or b"\n" not in answer:
            log.warning("model examination ended with status %d", process.returncode)
            raise InvalidModel("The model broke the check: it needs too much memory or time, or its graph is damaged.")
        return answer

    @contextmanager
    def _process(self) -> Iterator[subprocess.Popen[bytes]]:
        with self._lock:
            if self._closed:
                raise Unavailable("The service stops; send the model again.")
            process = subprocess.Popen(
                _EXAMINATION,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=os.environ | _ONE_THREAD,
            )
            self._running.add(process)
        try:
            with process:
                try:
                    yield process
                finally:
                    process.kill()
        finally:
            with self._lock:
                self._running.discard(process)


def _error(verdict: dict[str, Any]) -> PrecordiaError:
    kind = by_reason().get(verdict["reason"], InvalidModel)
    return kind(verdict["message"], **verdict.get("details", {}))


def _examined(verdict: dict[str, Any], content: bytes) -> Examined:
    return Examined(
        manifest=Manifest.parse(verdict["manifest"]),
        content=content,
        opset=verdict["opset"],
        producer=verdict["producer"],
        remarks=tuple(Remark(**remark) for remark in verdict["remarks"]),
    )
