"""One way to run a service: health, reflection, interceptor, long work, a drain at the end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from pydantic import ValidationError

from precordia.errors import FailedPrecondition, PrecordiaError
from precordia.operations import Operations
from precordia.rpc.admission import Admission
from precordia.rpc.bind import bind
from precordia.rpc.interceptor import EdgeInterceptor
from precordia.rpc.limits import SERVER_OPTIONS
from precordia.rpc.log import configure_logging
from precordia.rpc.operations import OPERATIONS_SERVICE, register_operations
from precordia.rpc.settings import ServerSettings, misspelt_settings
from precordia.rpc.workers import process_pool

log = logging.getLogger(__name__)

Settings = TypeVar("Settings", bound=ServerSettings)

_CONCURRENT_CALLS = 4096
_LAST_ANSWERS_S = 1.0  # for answers that are on their way when the drain is over


async def _nothing() -> None:
    return


@dataclass(frozen=True)
class ServiceApp:
    """A service, ready to be served.

    Attributes:
        name: "ingest"; names it in logs and settings.
        register: adds the servicers to a server.
        service_names: full proto names, for health and reflection.
        operations: long work, served beside.
        startup: the service is SERVING once it has returned.
        shutdown: called after the last call and the last piece of work.
    """

    name: str
    settings: ServerSettings
    register: Callable[[grpc.aio.Server], None]
    service_names: tuple[str, ...]
    operations: Operations | None = None
    startup: Callable[[], Awaitable[None]] = _nothing
    shutdown: Callable[[], Awaitable[None]] = _nothing


@contextlib.asynccontextmanager
async def serving(app: ServiceApp) -> AsyncIterator[str]:
    """Serve until the block is left, then drain; gives the address, "host:port".

    Raises:
        FailedPrecondition: the service cannot listen where its settings say.
    """
    running = _Running(app)
    try:
        yield await running.start()
    finally:
        await running.stop()


def run_main(settings: type[Settings], build: Callable[[Settings], ServiceApp]) -> None:
    """The `main` of a service: settings from the environment, the service built from them, served.

    Raises:
        SystemExit: 1 where it cannot start; stderr says in a line for each fault what to change.
    """
    try:
        app = build(settings())
    except ValidationError as error:
        prefix = str(settings.model_config.get("env_prefix", ""))
        faults = [f"{prefix}{'_'.join(map(str, one['loc'])).upper()}: {one['msg']}" for one in error.errors()]
        raise SystemExit("\n".join(["The service does not start. Its settings need a change:", *faults])) from None
    except PrecordiaError as error:
        raise SystemExit(f"The service does not start: {error.message}") from None
    run_service(app)


def run_service(app: ServiceApp) -> None:
    """Serve until SIGTERM or SIGINT; a second signal cuts the drain short.

    Raises:
        SystemExit: 1 where the service cannot start; stderr says why.
    """
    configure_logging(level=app.settings.log_level, style=app.settings.log_format, service=app.name)
    for sentence in misspelt_settings(type(app.settings)):
        log.warning("%s", sentence)
    try:
        asyncio.run(_serve_until_signalled(app))
    except PrecordiaError as error:
        log.error("%s does not start: %s", app.name, error.message)
        raise SystemExit(1) from None
    if process_pool().busy:  # it had the whole drain; waiting for it at exit could take for ever
        log.warning("%s leaves work that did not end in time", app.name)
        logging.shutdown()
        os._exit(0)


class _Running:
    """One server from its first port to its last call."""

    def __init__(self, app: ServiceApp) -> None:
        self._app = app
        self._admission = Admission(app.settings.token)
        self._health = health.aio.HealthServicer()
        self._server = grpc.aio.server(
            interceptors=[EdgeInterceptor(self._admission)],
            options=SERVER_OPTIONS,
            maximum_concurrent_rpcs=_CONCURRENT_CALLS,
        )
        self._started = False

    async def start(self) -> str:
        await self._set_health(health_pb2.HealthCheckResponse.NOT_SERVING)
        self._register()
        address = bind(self._server, self._app.settings, prefix=f"PRECORDIA_{self._app.name.upper()}_")
        await self._server.start()
        self._started = True
        await self._app.startup()
        if self._app.operations is not None:
            self._app.operations.start()
        self._admission.open()
        await self._set_health(health_pb2.HealthCheckResponse.SERVING)
        return address

    async def stop(self) -> None:
        """No more calls; those in progress and the long work end; then the service itself."""
        grace_s = self._app.settings.drain_s
        await self._health.enter_graceful_shutdown()
        closing = () if self._app.operations is None else (self._app.operations.close(grace_s),)
        await asyncio.gather(self._admission.drain(grace_s), *closing)
        if self._started:
            await self._server.stop(min(grace_s, _LAST_ANSWERS_S))
        await self._app.shutdown()

    def _names(self) -> tuple[str, ...]:
        return self._app.service_names + ((OPERATIONS_SERVICE,) if self._app.operations else ())

    def _register(self) -> None:
        self._app.register(self._server)
        if self._app.operations is not None:
            register_operations(self._server, self._app.operations)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = (*self._names(), health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server)

    async def _set_health(self, status: health_pb2.HealthCheckResponse.ServingStatus) -> None:
        for name in ("", *self._names()):
            await self._health.set(name, status)


async def _serve_until_signalled(app: ServiceApp) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _on_signal, stop)
    running = _Running(app)
    starting = asyncio.ensure_future(running.start())
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            _announce(app, starting.result())
            await stopping
            log.info("%s drains", app.name)
    finally:
        for task in (starting, stopping):
            task.cancel()
        await asyncio.gather(starting, stopping, return_exceptions=True)
        _withdraw(app.settings.address_file)
        await running.stop()


def _on_signal(stop: asyncio.Event) -> None:
    if stop.is_set():
        log.warning("second signal: stopping at once")
        os._exit(1)  # durable state needs no farewell: leases and transactions see to that
    stop.set()


def _announce(app: ServiceApp, address: str) -> None:
    """Tell whoever started us where we listen."""
    ready = json.dumps({"service": app.name, "address": address, "pid": os.getpid()})
    if app.settings.address_file is not None:
        _write(app.settings.address_file, ready)
    sys.stdout.write(ready + "\n")
    sys.stdout.flush()
    log.info("%s serves on %s", app.name, address)


def _write(path: Path, content: str) -> None:
    """Whole or not at all: a reader may look at any moment.

    Raises:
        FailedPrecondition: there is no place for it, and whoever started us could not find us.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_text(content, encoding="utf-8")
        os.replace(unfinished, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise FailedPrecondition(f"The file that says where it serves cannot be written: {error.strerror}.") from None


def _withdraw(path: Path | None) -> None:
    """Remove the address file, unless another process has written it since."""
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        if path is not None and json.loads(path.read_text(encoding="utf-8"))["pid"] == os.getpid():
            path.unlink()
