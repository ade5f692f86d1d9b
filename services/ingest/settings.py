"""What can be set about ingest, as PRECORDIA_INGEST_<SETTING> or in the section [ingest]."""

from __future__ import annotations

from pydantic import Field

from precordia.rpc.settings import ServerSettings, service_settings


class IngestSettings(ServerSettings):
    """Settings of the ingest service, read once."""

    model_config = service_settings("ingest")

    listen: str = "127.0.0.1:50051"
    """host:port to listen on; port 0 takes a free one. Other than loopback needs TLS and a token."""

    database_url: str = ""
    """sqlite:////file.db or postgresql+psycopg://user@host/name; empty = ingest/ingest.db in the home folder."""

    blobs: str = ""
    """Folder or fsspec URL for samples, source files and shards; empty = ingest/blobs in the home folder."""

    max_source_bytes: int = Field(default=512 << 20, gt=0)
    """Most that one source with its companions may weigh."""

    max_in_flight_bytes: int = Field(default=1 << 30, gt=0)
    """Most that all sources coming in at once may hold in memory; further ones are asked to try again."""

    upload_keep_h: float = Field(default=24.0, gt=0)
    """Hours for which a staged file waits for its import."""

    import_threads: int = Field(default=2, ge=1, le=64)
    """Files that one import operation reads at the same time."""

    imports: int = Field(default=1, ge=1, le=64)
    """Import operations that run at the same time."""

    shard_bytes: int = Field(default=64 << 20, gt=0)
    """A shard of a snapshot is closed once its samples take this much."""

    @property
    def database(self) -> str:
        """The database's URL."""
        return self.database_url or f"sqlite:///{self.home / 'ingest' / 'ingest.db'}"

    @property
    def blob_folder(self) -> str:
        """Where bytes are kept."""
        return self.blobs or str(self.home / "ingest" / "blobs")
