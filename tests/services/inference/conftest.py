"""Inference beside a real registry and a real ingest."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from precordia.client import Addresses, Connection, connect
from precordia.rpc.server import serving
from services.inference.__main__ import build as build_inference
from services.inference.engine import onnx_runtime
from services.inference.engine.providers import Device
from services.inference.settings import InferenceSettings
from services.ingest.__main__ import build as build_ingest
from services.ingest.settings import IngestSettings
from services.registry.__main__ import build as build_registry
from services.registry.settings import RegistrySettings


class Runs:
    """Runs of all models in this process: open, unless a test shuts them."""

    def __init__(self) -> None:
        self._gate, self._entered = threading.Event(), threading.Event()
        self._gate.set()

    def passed(self) -> None:
        if not self._gate.is_set():
            self._entered.set()
            self._gate.wait(600)

    def shut(self) -> None:
        self._entered.clear()
        self._gate.clear()

    def open(self) -> None:
        self._gate.set()

    @property
    def one_waits(self) -> bool:
        """Whether a run has begun since they were shut; it does not end before they are opened."""
        return self._entered.is_set()

    async def until_one_waits(self) -> None:
        assert await asyncio.to_thread(self._entered.wait, 60)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Runs]:
    made, compute = Runs(), onnx_runtime._OnnxSession.compute

    def waits_and_computes(session: Any, *arguments: Any) -> Any:
        made.passed()
        return compute(session, *arguments)

    monkeypatch.setattr(onnx_runtime._OnnxSession, "compute", waits_and_computes)
    yield made
    made.open()


@pytest.fixture
async def precordia(tmp_path: Path) -> AsyncIterator[Connection]:
    """Registry, ingest and inference on free ports, in this process."""
    async with contextlib.AsyncExitStack() as stack:
        registry = build_registry(
            RegistrySettings(home=tmp_path, listen="127.0.0.1:0", publish_shipped=False, drain_s=2)
        )
        registry_at = await stack.enter_async_context(serving(registry))
        ingest = build_ingest(IngestSettings(home=tmp_path, listen="127.0.0.1:0", drain_s=2))
        ingest_at = await stack.enter_async_context(serving(ingest))
        settings = InferenceSettings(
            home=tmp_path,
            listen="127.0.0.1:0",
            registry=registry_at,
            ingest=ingest_at,
            device=Device.CPU,
            sessions=1,
            queue_capacity=256,
            drain_s=2,
        )
        inference_at = await stack.enter_async_context(serving(build_inference(settings)))
        addresses = Addresses(ingest=ingest_at, inference=inference_at, registry=registry_at, trainer="127.0.0.1:9")
        yield await stack.enter_async_context(connect(addresses))
