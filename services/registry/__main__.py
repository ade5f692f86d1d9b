"""The registry's objects, built and connected: `python -m services.registry`."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from functools import partial

from precordia.errors import PrecordiaError
from precordia.rpc.server import ServiceApp, run_main
from precordia.rpc.workers import in_worker
from precordia.storage.blobs import BlobStore
from precordia.storage.database import open_database
from services.registry.catalog import Catalog
from services.registry.changes import ModelChanges
from services.registry.onnx_check import ModelCheck
from services.registry.servicer import REGISTRY_SERVICE, register_registry
from services.registry.settings import RegistrySettings
from services.registry.shipped import publish_shipped, shipped_models
from services.registry.store import ModelStore

log = logging.getLogger(__name__)


def build(settings: RegistrySettings) -> ServiceApp:
    """The registry, ready to be served."""
    engine = open_database(settings.database(), "services.registry.migrations")
    store = ModelStore(engine)
    changes = ModelChanges(store)
    check = ModelCheck(timeout_s=settings.check_timeout_s, memory_mib=settings.check_memory_mib)
    catalog = Catalog(
        store,
        BlobStore(settings.blobs()),
        check,
        changes,
        longest_bytes=settings.longest_file_mib << 20,
    )
    sweeper = _Sweeper(catalog, settings.sweep_every_s)

    async def startup() -> None:
        if settings.publish_shipped:
            await in_worker(publish_shipped, catalog, shipped_models())
        sweeper.start()

    async def shutdown() -> None:
        changes.close()
        check.close()
        await sweeper.stop()
        engine.dispose()

    return ServiceApp(
        name="registry",
        settings=settings,
        register=partial(register_registry, catalog=catalog),
        service_names=(REGISTRY_SERVICE,),
        startup=startup,
        shutdown=shutdown,
    )


class _Sweeper:
    """Removes files that no version has, at the start and from time to time."""

    def __init__(self, catalog: Catalog, every_s: float) -> None:
        self._catalog = catalog
        self._every_s = every_s
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._sweep_for_ever())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _sweep_for_ever(self) -> None:
        while True:
            try:
                removed = await in_worker(self._catalog.sweep)
                if removed:
                    log.info("files without a model removed: %d", removed)
            except PrecordiaError as error:
                log.warning("files without a model were not removed: %s", error.message)
            except Exception:  # a locked database or a full disk passes; the next sweep tries again
                log.exception("files without a model were not removed")
            await asyncio.sleep(self._every_s)


def main() -> None:
    """Serve until signalled."""
    run_main(RegistrySettings, build)


if __name__ == "__main__":
    main()
