"""What this trainer can do: asked of a child process, because the service itself never imports torch.

`python -m services.trainer.capability` prints it as JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from dataclasses import dataclass

from precordia.errors import MissingDependency

_EXTRAS = {"torch": "train", "safetensors": "train", "onnxscript": "train", "onnxruntime": "cpu"}
"""What a worker imports, and the extra of this package that brings it."""
_PROBE_S = 120.0


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
    """Finds out once, in a child process, and remembers."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: Capability | None = None

    def capability(self) -> Capability:
        """What workers can do; the first call takes seconds."""
        with self._lock:
            if self._found is None:
                self._found = _ask_child()
            return self._found


def _ask_child() -> Capability:
    command = [sys.executable, "-m", "services.trainer.capability"]
    try:
        answer = subprocess.run(command, capture_output=True, timeout=_PROBE_S, check=True, text=True)
        said = json.loads(answer.stdout.splitlines()[-1])
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
