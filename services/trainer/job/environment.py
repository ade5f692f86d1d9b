"""What the service tells its workers beside the job's folder: variables of their environment."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from services.trainer.settings import TrainerSettings

_CACHE = "PRECORDIA_TRAINER_WORKER_CACHE"
_CACHE_BYTES = "PRECORDIA_TRAINER_WORKER_CACHE_BYTES"
_PROCESSES = "PRECORDIA_TRAINER_WORKER_PROCESSES"


def worker_environment(settings: TrainerSettings) -> dict[str, str]:
    """Variables for a worker of this trainer."""
    variables = {
        "PRECORDIA_HOME": str(settings.home.absolute()),
        "PRECORDIA_INGEST": settings.ingest,
        "PRECORDIA_REGISTRY": settings.registry,
        _CACHE: str(settings.cache.absolute()),
        _CACHE_BYTES: str(settings.cache_bytes),
        _PROCESSES: str(settings.processes),
    }
    return {name: value for name, value in variables.items() if value}


@dataclass(frozen=True)
class DataCache:
    """Where a worker keeps conditioned data, and how much of it may stay."""

    folder: Path
    keep_bytes: int


def data_cache(job: Path) -> DataCache:
    """As the environment says; without it, a folder of the job's own."""
    return DataCache(Path(os.environ.get(_CACHE) or job / "cache"), int(os.environ.get(_CACHE_BYTES) or 20 << 30))


def asked_processes() -> int:
    """Processes that are to train one model together; 0 = one for each GPU."""
    return int(os.environ.get(_PROCESSES) or 0)
