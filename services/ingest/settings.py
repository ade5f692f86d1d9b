"""What can be set about ingest, as PRECORDIA_INGEST_<SETTING> or in the section [ingest]."""

from __future__ import annotations

import os
from pathlib import Path

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

    import_processes: int = Field(default_factory=lambda: min(4, os.cpu_count() or 1), ge=0, le=64)
    """Processes that read the files of a large import, each on a core; 0 = threads of the service read them.

    A reader that crashes in a process of its own costs its file, not the service.
    """

    imports: int = Field(default=1, ge=1, le=64)
    """Import operations that run at the same time."""

    deidentify: bool = False
    """Take out what identifies the patient from everything that comes in, before anything of it is kept."""

    shard_bytes: int = Field(default=64 << 20, gt=0)
    """A shard of a snapshot is closed once its samples take this much."""

    dicom_listen: str = ""
    """host:port on which DICOM objects are listened for, for example 127.0.0.1:11112; empty = not at all.

    Other than loopback needs dicom_callers, or TLS.
    """

    dicom_ae_title: str = Field(default="PRECORDIA", min_length=1, max_length=16)
    """Our application entity title; callers must call it."""

    dicom_callers: str = ""
    """AE titles that may send, separated by commas; empty = any."""

    dicom_tls_certificate: Path | None = None
    """PEM file with the certificate chain that DICOM callers see; with dicom_tls_key, DICOM is spoken over TLS only."""

    dicom_tls_key: Path | None = None
    """PEM file with that certificate's private key."""

    dicom_tls_ca: Path | None = None
    """PEM file with the authorities of callers' certificates; where set, every caller must show one."""

    dicom_max_associations: int = Field(default=8, ge=1, le=256)
    """DICOM associations at the same time."""

    dicom_max_object_bytes: int = Field(default=64 << 20, gt=0)
    """Most that one DICOM object may weigh."""

    dicom_dataset: str = ""
    """Dataset into which recordings that came by DICOM are put; empty = none."""

    @property
    def database(self) -> str:
        """The database's URL."""
        return self.database_url or f"sqlite:///{self.home / 'ingest' / 'ingest.db'}"

    @property
    def blob_folder(self) -> str:
        """Where bytes are kept."""
        return self.blobs or str(self.home / "ingest" / "blobs")
