"""What a trainer can be told."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import Field

from precordia.rpc.settings import ServerSettings, service_settings


class TrainerSettings(ServerSettings):
    """Settings of the trainer: PRECORDIA_TRAINER_..., section [trainer]."""

    model_config = service_settings("trainer")

    listen: str = "127.0.0.1:50053"
    """host:port to listen on; port 0 takes a free one. Other than loopback needs TLS and a token."""

    database_url: str = ""
    """Where jobs are recorded; empty = SQLite in the home folder."""

    jobs_folder: Path | None = None
    """Checkpoints and logs of jobs; none = in the home folder."""

    cache_folder: Path | None = None
    """Conditioned training data; none = in the home folder. What lies there can be made again."""

    cache_bytes: int = Field(default=20 << 30, ge=0)
    """The least recently used training data is removed beyond this size."""

    weights_bytes: int = Field(default=2 << 30, ge=1)
    """Longest file of weights that is taken."""

    ingest: str = ""
    """host:port of ingest; empty = as every client finds it."""

    registry: str = ""
    """host:port of the registry; empty = as every client finds it."""

    jobs_at_once: int = Field(default=1, ge=1, le=64)
    """Jobs that train at the same time; the others wait."""

    waiting: int = Field(default=100, ge=0, le=10_000)
    """Jobs that may wait for their turn; a further one is refused, and told to come back."""

    processes: int = Field(default=0, ge=0, le=64)
    """Processes that train one model together, each with its share of a batch; 0 = one for each GPU."""

    threads: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1, le=1024)
    """Threads of a job that asks for no number of its own; of each process where several train together."""

    rate_hz: float = Field(default=100.0, ge=10, le=10_000)
    """Rate of models whose training asks for none."""

    duration_s: float = Field(default=10.0, ge=0.5, le=600)
    """Input length of models whose training asks for none."""

    relaunches: int = Field(default=3, ge=0)
    """How often a worker that died is started again without a new epoch in between."""

    patience_s: float = Field(default=600.0, ge=0)
    """How long a job waits for ingest or the registry to come back; with a trained model, it waits however long."""

    @property
    def database(self) -> str:
        """URL of the database."""
        return self.database_url or f"sqlite:///{self.home.absolute() / 'trainer' / 'trainer.db'}"

    @property
    def jobs(self) -> Path:
        """Folder of the jobs' own folders."""
        return self.jobs_folder or self.home / "trainer" / "jobs"

    @property
    def cache(self) -> Path:
        """Folder of conditioned training data."""
        return self.cache_folder or self.home / "trainer" / "cache"
