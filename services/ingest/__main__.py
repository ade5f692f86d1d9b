"""`python -m services.ingest`: the ingest service, put together and served."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import grpc

from precordia.rpc.server import ServiceApp, run_main
from precordia.signal.warming import compile_kernels_apart
from precordia.v1 import ingest_pb2_grpc
from services.ingest.ingest import Ingest
from services.ingest.servicer import SERVICE, IngestServicer
from services.ingest.settings import IngestSettings

if TYPE_CHECKING:
    from services.ingest.dicom_listener import DicomListener


def build(settings: IngestSettings) -> ServiceApp:
    """The service, ready to be served."""
    ingest = Ingest(settings)
    dicom = _dicom_listener(settings, ingest)

    def register(server: grpc.aio.Server) -> None:
        add: Any = ingest_pb2_grpc.add_IngestServiceServicer_to_server  # generated without types
        add(IngestServicer(ingest), server)

    async def startup() -> None:
        await asyncio.to_thread(ingest.clean)
        # On a new machine the compiler begins now, not when the first ECG waits for it.
        threading.Thread(target=compile_kernels_apart, name="compile kernels", daemon=True).start()
        if dicom is not None:
            dicom.start()

    async def shutdown() -> None:
        if dicom is not None:
            await asyncio.to_thread(dicom.stop, settings.drain_s)
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


def _dicom_listener(settings: IngestSettings, ingest: Ingest) -> DicomListener | None:
    if not settings.dicom_listen:
        return None
    from services.ingest.dicom_setup import dicom_listener  # loads a library that few installations need

    return dicom_listener(settings, ingest.importer, ingest.in_flight)


def main() -> None:
    """Serve until signalled."""
    run_main(IngestSettings, build)


if __name__ == "__main__":
    main()
