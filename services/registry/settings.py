"""The registry's settings: PRECORDIA_REGISTRY_<NAME>, or section [registry] of the settings file."""

from __future__ import annotations

from pydantic import Field

from precordia.rpc.settings import ServerSettings, service_settings


class RegistrySettings(ServerSettings):
    """Where models are kept, and how far a file brought by a user may go."""

    model_config = service_settings("registry")

    listen: str = "127.0.0.1:50054"
    """host:port to listen on; port 0 takes a free one. Other than loopback needs TLS and a token."""

    database_url: str = ""
    """sqlite:////absolute/file.db or postgresql+psycopg://...; empty = a file in the data folder."""

    blobs_url: str = ""
    """Folder or fsspec URL for model files; empty = a folder in the data folder."""

    longest_file_mib: int = Field(default=1024, gt=0)
    """Largest file of a model, in MiB."""

    check_timeout_s: float = Field(default=120.0, gt=0)
    """Longest time that the examination of one ONNX file may take, in seconds."""

    check_memory_mib: int = Field(default=4096, gt=0)
    """Address space for the examination of one ONNX file, beside four times its size, in MiB."""

    publish_shipped: bool = True
    """Whether the models that come with the package are published into a registry that never had any."""

    sweep_every_s: float = Field(default=3600.0, gt=0)
    """How often files that no model version has are removed, in seconds."""

    def database(self) -> str:
        """URL of the database in use."""
        return self.database_url or f"sqlite:///{self.home.absolute() / 'registry' / 'registry.db'}"

    def blobs(self) -> str:
        """Folder or URL of the model files in use."""
        return self.blobs_url or str(self.home.absolute() / "registry" / "blobs")
