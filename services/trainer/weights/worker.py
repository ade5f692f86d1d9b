"""One conversion of weights: `python -m services.trainer.weights.worker FOLDER`, with limits on time and memory."""

from __future__ import annotations

import logging
import resource
import sys
from pathlib import Path

from precordia.errors import InternalError, PrecordiaError
from precordia.leads import STANDARD_LEADS
from precordia.manifest import Task
from precordia.models.networks import Grid, network
from services.trainer.job.folder import JobFolder
from services.trainer.weights.upload import ORDER, contract_from_json

log = logging.getLogger(__name__)

_CPU_S = 900
_MEMORY_BYTES = 16 << 30
"""Of address space, most of which torch reserves and never touches; beside eight times the file's own size."""


def convert(folder: Path) -> float:
    """Carry out the order in the folder. Returns the difference between torch and ONNX Runtime."""
    from precordia.models.published import holds_head, read_tensors
    from services.trainer.weights import published

    order = JobFolder(folder).read(ORDER)
    wanted = contract_from_json(order["contract"])
    kind = network(wanted.network)
    tensors = read_tensors(folder / order["file"])
    manifest = published.contract(
        kind,
        leads=wanted.leads or STANDARD_LEADS,
        labels=wanted.labels,
        task=wanted.task or Task.MULTILABEL,
        grid=Grid(
            wanted.sample_rate_hz or kind.info.sample_rate_hz,
            wanted.duration_s or kind.info.duration_s,
        ),
        steps=wanted.conditioning,
        head=holds_head(kind, tensors),
    )
    return published.convert(kind, tensors, manifest, JobFolder(folder).outputs)


def _limit(folder: Path) -> None:
    size = sum(file.stat().st_size for file in folder.iterdir())
    for limit, value in (
        (resource.RLIMIT_AS, _MEMORY_BYTES + 8 * size),
        (resource.RLIMIT_CPU, _CPU_S),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (value, value))


def main(folder: Path) -> None:
    """Leave an outcome in the folder."""
    _limit(folder)
    job = JobFolder(folder)
    try:
        job.finish({"parity": convert(folder)})
    except PrecordiaError as error:
        job.fail(error)
    except Exception:  # whoever waits must hear of it; this process ends here
        log.exception("the conversion failed")
        job.fail(InternalError("The conversion failed by a fault of the trainer."))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
