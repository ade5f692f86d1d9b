"""What this trainer can do: asked of a child process, because the service itself never imports torch.

`python -m services.trainer.capability` prints it as JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

from precordia.errors import MissingDependency, Overloaded

_EXTRAS = {"torch": "train", "safetensors": "train", "onnxscript": "train", "onnxruntime": "cpu"}
"""What a worker imports, and the extra of this package that brings it."""
_PROBE_S = 600.0
"""Longer than a busy machine takes to load torch: who waits for it has a deadline of their own."""
_ASK_AGAIN_S = 5.0


@dataclass(frozen=True)
class Capability:
    """Whether workers can train, and on what."""

    missing: str = ""
    """The first package that is not there; empty where all are."""
    devices: tuple[str, ...] = ()

    @property
    def can_train(self) -> bool:
        """Whether a training job can be carried out."""
        return not self.missing

    @property
    def message(self) -> str:
        """One sentence for the user: ready, or what to install."""
        if self.can_train:
            return "Ready to train."
        install = f"pip install 'precordia[{_EXTRAS[self.missing]}]'"
        return f"This trainer cannot train: package '{self.missing}' is not installed. Run: {install}"

    def check(self) -> None:
        """Refuse where it cannot train.

        Raises:
            MissingDependency: the message says what to install.
        """
        if not self.can_train:
            raise MissingDependency(self.message, package=self.missing, extra=_EXTRAS[self.missing])


class Probe:
    """Finds out once, in a child process, and remembers. Nobody waits longer than they like.

    Args:
        ask: takes as long as it takes.
    """

    def __init__(self, ask: Callable[[], Capability] | None = None) -> None:
        self._ask = ask or _ask_child
        self._lock = threading.Lock()
        self._found: Future[Capability] | None = None

    def start(self) -> Future[Capability]:
        """Begin to find out, unless that was begun; an attempt that failed is made anew."""
        with self._lock:
            found = self._found
            if found is None or (found.done() and found.exception() is not None):
                found = self._found = Future()
                # a daemon, so that it keeps nobody from leaving
                threading.Thread(target=self._find, args=(found,), name="capability", daemon=True).start()
            return found

    def capability(self, within_s: float | None = None) -> Capability:
        """What workers can do; the first answer takes seconds, on a busy machine minutes.

        Args:
            within_s: how long to wait for it; None = until it is there.

        Raises:
            Overloaded: it is not known yet. The detail `starting` tells this from a full queue.
        """
        try:
            return self.start().result(within_s)
        except (TimeoutError, subprocess.TimeoutExpired):
            raise Overloaded(
                f"The trainer is still starting; try again in {_ASK_AGAIN_S:g} s.",
                retry_after_s=_ASK_AGAIN_S,
                starting="trainer",
            ) from None

    def _find(self, found: Future[Capability]) -> None:
        try:
            found.set_result(self._ask())
        except BaseException as error:
            found.set_exception(error)


def _ask_child() -> Capability:
    command = [sys.executable, "-m", "services.trainer.capability"]
    try:
        answer = subprocess.run(command, capture_output=True, timeout=_PROBE_S, check=True, text=True)
        said = json.loads(answer.stdout.splitlines()[-1])
    except subprocess.TimeoutExpired:
        raise  # which says nothing of what is installed
    except (subprocess.SubprocessError, ValueError, IndexError):
        return Capability(missing="torch")
    return Capability(str(said["missing"]), tuple(said["devices"]))


def _look_around() -> Capability:
    import importlib

    for package in _EXTRAS:
        try:
            importlib.import_module(package)
        except ImportError:
            return Capability(missing=package)
    import torch

    gpus = tuple(torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count()))
    return Capability(devices=(*gpus, f"CPU, {torch.get_num_threads()} threads"))


if __name__ == "__main__":
    os.nice(5)  # it loads torch while the services beside it start
    found = _look_around()
    sys.stdout.write(json.dumps({"missing": found.missing, "devices": list(found.devices)}) + "\n")
