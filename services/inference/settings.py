"""Settings of the inference service: PRECORDIA_INFERENCE_<SETTING>, or section [inference] of the TOML file."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from precordia.rpc.settings import ServerSettings, service_settings
from services.inference.engine.providers import Device


class InferenceSettings(ServerSettings):
    """What the operator decides. Batch sizes and delays are measured, within these limits."""

    model_config = service_settings("inference")

    listen: str = "127.0.0.1:50052"
    """host:port to listen on; port 0 takes a free one."""

    ingest: str = ""
    """host:port of ingest; empty = PRECORDIA_INGEST, then what `precordia up` started, then the usual port."""

    registry: str = ""
    """host:port of the registry; empty as above."""

    upstream_token: str = Field(default="", repr=False)
    """Bearer token shown to ingest and registry; empty = PRECORDIA_TOKEN."""

    device: Device = Device.AUTO
    """cpu, cuda, tensorrt, or auto: CUDA where it works, else the CPU."""

    allow_fallback: bool = False
    """With device cuda or tensorrt: run on what works where it does not, instead of refusing."""

    intra_op_threads: int = Field(default=0, ge=0, le=256)
    """Threads inside one run of a model; 0 = measured: 1, so that every core answers a request, or all cores."""

    sessions: int = Field(default=0, ge=0, le=256)
    """Runs of one model at once; 0 = measured, as many as the cores at most."""

    max_batch: int = Field(default=64, ge=1, le=1024)
    """ECGs of one run at most; less is used where more does not gain."""

    batch_size: int = Field(default=0, ge=0, le=1024)
    """ECGs of one run, max_batch at most; 0 = measured."""

    max_delay_ms: float = Field(default=5.0, ge=0, le=1000)
    """How long an unfilled batch may wait at most, where batches gain."""

    delay_ms: float | None = Field(default=None, ge=0, le=1000)
    """How long an unfilled batch waits; unset = half of one ECG's run, max_delay_ms at most."""

    queue_capacity: int = Field(default=1024, ge=256)
    """ECGs that may wait for one model; beyond it callers are told when to come back."""

    max_loaded: int = Field(default=8, ge=1)
    """Models kept loaded; the one unused for longest goes first."""

    memory_mib: int = Field(default=0, ge=0)
    """Memory that loaded models may take together; 0 = no limit. The one unused for longest goes first."""

    preload: tuple[str, ...] = ()
    """Models to load before the service says SERVING: NAME, NAME:VERSION, NAME@ALIAS, with commas between."""

    keep_predictions: bool = True
    """Keep what is said of stored recordings, to be listed later; off, only operations keep theirs."""

    keep_days: int = Field(default=0, ge=0)
    """Kept predictions older than this, and those of operations that ended before, are removed; 0 = none is."""

    database_url: str = ""
    """Database for operations and kept predictions; empty = SQLite in the home folder."""

    @field_validator("batch_size")
    @classmethod
    def _within_max_batch(cls, batch_size: int, info: ValidationInfo) -> int:
        """Two numbers that contradict each other are not settled in silence."""
        most = info.data.get("max_batch", batch_size)
        if batch_size > most:
            said = "{size} ECGs in a run are more than PRECORDIA_INFERENCE_MAX_BATCH allows, {most}; change one of them"
            raise PydanticCustomError("beyond_max_batch", said, {"size": batch_size, "most": most})
        return batch_size

    @property
    def cores(self) -> int:
        """Cores this process may use; a container's or taskset's share, where the system tells."""
        if hasattr(os, "sched_getaffinity"):
            return len(os.sched_getaffinity(0))
        return os.cpu_count() or 1

    @property
    def folder(self) -> Path:
        """What this service keeps."""
        return self.home / "inference"

    @property
    def database(self) -> str:
        """The database's URL, with the default worked out."""
        return self.database_url or f"sqlite:///{self.folder / 'inference.db'}"
