"""The echo service as a process of its own."""

from __future__ import annotations

from precordia.rpc.server import run_service
from precordia.rpc.settings import ServerSettings, service_settings
from tests.precordia.rpc.echo import Echo, echo_app


class IngestSettings(ServerSettings):
    model_config = service_settings("ingest")


if __name__ == "__main__":
    run_service(echo_app(Echo(), IngestSettings()))
