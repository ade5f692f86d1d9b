"""`python -m services.ingest`: the ingest service, put together and served."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc

from precordia.rpc.server import ServiceApp, run_main
from precordia.v1 import ingest_pb2_grpc
from services.ingest.ingest import Ingest
from services.ingest.servicer import SERVICE, IngestServicer
from services.ingest.settings import IngestSettings


def build(settings: IngestSettings) -> ServiceApp:
    """The service, ready to be served."""
    ingest = Ingest(settings)

    def register(server: grpc.aio.Server) -> None:
        add: Any = ingest_pb2_grpc.add_IngestServiceServicer_to_server  # generated without types
        add(IngestServicer(ingest), server)

    async def startup() -> None:
        await asyncio.to_thread(ingest.clean)

    async def shutdown() -> None:
        await asyncio.to_thread(ingest.close)

    return ServiceApp(
        name="ingest",
        settings=settings,
        register=register,
        service_names=(SERVICE,),
        operations=ingest.operations,
        startup=startup,
        shutdown=shutdown,
    )


def main() -> None:
    """Serve until signalled."""
    run_main(IngestSettings, build)


if __name__ == "__main__":
    main()
