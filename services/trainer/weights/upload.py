"""Weights as their authors keep them, on their way to the registry: received, converted, published.

The conversion runs in a process of its own with limits, so that a file that is none, or a bomb,
costs itself alone, and the service never imports torch.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import logging
import os
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from precordia.catalog import Artifact, Lineage, checked_name
from precordia.errors import ChecksumMismatch, InvalidArgument, InvalidModel, TooLarge
from precordia.manifest import Task
from precordia.models.networks import network
from precordia.steps import Step
from precordia.training import WeightsContract
from services.trainer.job.folder import JobFolder

log = logging.getLogger(__name__)

ORDER = "order.json"
ENDINGS = (".pt", ".pth", ".safetensors")
_TIMEOUT_S = 900.0
_UPLOAD, _LEFT_AFTER_S = "weights-", 86_400.0


@dataclass(frozen=True)
class WeightsOrder:
    """What a caller says of weights before their bytes."""

    name: str
    contract: WeightsContract
    file: Artifact
    aliases: tuple[str, ...] = ()
    request_id: str = ""


class WeightsUpload:
    """One file of weights on its way in; leaving the `with` block removes it and what was made of it.

    Args:
        folder: where uploads lie meanwhile.
        longest_bytes: of a file.
    """

    def __init__(self, folder: Path, longest_bytes: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
        self._folder = Path(tempfile.mkdtemp(prefix=_UPLOAD, dir=folder))
        self._longest_bytes = longest_bytes
        self._digest, self._size = hashlib.sha256(), 0
        self._order: WeightsOrder | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def order(self) -> WeightsOrder:
        """What was said of the weights.

        Raises:
            InvalidArgument: nothing was.
        """
        if self._order is None:
            raise InvalidArgument("The first message is the header.", field="header")
        return self._order

    @property
    def outputs(self) -> Path:
        """Folder of the finished model's files."""
        return JobFolder(self._folder).outputs

    @property
    def lineage(self) -> Lineage:
        """Where the model comes from."""
        facts = {"file_sha256": self.order.file.sha256, "network": network(self.order.contract.network).info.name}
        return Lineage("imported", details_json=json.dumps(facts, sort_keys=True))

    def take(self, part: WeightsOrder | bytes) -> None:
        """The next part of the stream.

        Raises:
            InvalidArgument: parts come in another order than header, then chunks, or the header is unusable.
            NetworkNotFound: there is no such network.
            TooLarge, ChecksumMismatch: more bytes come than are taken, or than were announced.
        """
        if isinstance(part, bytes):
            self._write(part)
            return
        if self._order is not None:
            raise InvalidArgument("The header came twice.", field="header")
        checked_name(part.name)
        network(part.contract.network)
        if not part.file.name.lower().endswith(ENDINGS):
            raise InvalidArgument(f"A file of weights ends in {', '.join(ENDINGS)}.", field="file.name")
        if part.file.size_bytes > self._longest_bytes:
            raise TooLarge(f"A file of weights has at most {self._longest_bytes} bytes.", limit=self._longest_bytes)
        self._order = part

    def _write(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if self._size > self.order.file.size_bytes:
            raise ChecksumMismatch("More bytes came than were announced; send the file again.")
        self._digest.update(chunk)
        with self._file.open("ab") as opened:
            opened.write(chunk)

    @property
    def _file(self) -> Path:
        ending = next(end for end in ENDINGS if self.order.file.name.lower().endswith(end))
        return self._folder / f"weights{ending}"

    async def convert(self) -> None:
        """All parts came: make the model's files of them, in a process of its own.

        Raises:
            ChecksumMismatch: the bytes are not those announced.
            InvalidModel, ...: they are not this network's weights, or what they mean is not known.
        """
        if self._size != self.order.file.size_bytes or self._digest.hexdigest() != self.order.file.sha256:
            raise ChecksumMismatch("The file arrived damaged: it is not the one announced. Send it again.")
        job = JobFolder(self._folder)
        job.write(ORDER, {"file": self._file.name, "contract": contract_to_json(self.order.contract)})
        await _in_a_process(self._folder)
        outcome = job.outcome()
        if outcome is None:
            raise InvalidModel("The weights broke the conversion: it needs too much memory or time for this trainer.")
        if outcome.error is not None:
            raise outcome.error


def _sweep(folder: Path) -> None:
    """Remove what a service that was killed left of its uploads."""
    for left in folder.glob(f"{_UPLOAD}*"):
        with contextlib.suppress(FileNotFoundError):  # its owner was faster
            if time.time() - left.stat().st_mtime > _LEFT_AFTER_S:
                shutil.rmtree(left, ignore_errors=True)


async def _in_a_process(folder: Path) -> None:
    command = (sys.executable, "-m", "services.trainer.weights.worker", str(folder))
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    try:
        await asyncio.wait_for(process.wait(), _TIMEOUT_S)
    except TimeoutError:
        log.warning("a conversion of weights took longer than %g s", _TIMEOUT_S)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def contract_to_json(contract: WeightsContract) -> dict[str, Any]:
    """As a JSON object; the inverse of `contract_from_json`."""
    said = dict(vars(contract)) | {"task": contract.task.value if contract.task else None}
    return said | {"conditioning": [step.to_json() for step in contract.conditioning]}


def contract_from_json(value: dict[str, Any]) -> WeightsContract:
    """From a JSON object."""
    return WeightsContract(
        network=str(value["network"]),
        labels=tuple(value["labels"]),
        task=Task(value["task"]) if value["task"] else None,
        leads=tuple(value["leads"]),
        sample_rate_hz=value["sample_rate_hz"],
        duration_s=value["duration_s"],
        conditioning=tuple(Step.from_json(step) for step in value["conditioning"]),
    )
