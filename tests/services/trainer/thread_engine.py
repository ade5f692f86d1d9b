"""A second engine: workers as threads of this process. What the service may rely on, it offers too."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from services.trainer.engine import Handle
from services.trainer.job.folder import JobFolder
from services.trainer.worker import main


class ThreadEngine:
    """Workers as threads. They stop when asked; nobody can end a thread that does not."""

    name = "threads"

    def __init__(self, environment: Mapping[str, str]) -> None:
        os.environ.update(environment)
        self._threads: dict[str, threading.Thread] = {}

    def submit(self, folder: Path, attempt: int) -> Handle:
        key = f"{folder.name}/{attempt}/{len(self._threads)}"
        self._threads[key] = threading.Thread(target=main, args=(folder, attempt), name=key, daemon=True)
        self._threads[key].start()
        return Handle(folder, key)

    def reattach(self, folder: Path) -> Handle | None:
        if not JobFolder(folder).is_worked_on:
            return None
        alive = [key for key, thread in self._threads.items() if thread.is_alive() and key.startswith(folder.name)]
        return Handle(folder, alive[-1])

    def running(self, handle: Handle) -> bool:
        return self._threads[handle.key].is_alive()

    def cancel(self, handle: Handle, grace_s: float) -> None:
        JobFolder(handle.folder).ask_to_stop()
        until = time.monotonic() + grace_s + 60
        while self.running(handle) and time.monotonic() < until:
            time.sleep(0.02)
