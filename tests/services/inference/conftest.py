"""Inference beside a real registry and a real ingest."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from precordia.client import Addresses, Connection, connect
from precordia.rpc.server import serving
from services.inference.__main__ import build as build_inference
from services.inference.engine.providers import Device
from services.inference.settings import InferenceSettings
from services.ingest.__main__ import build as build_ingest
from services.ingest.settings import IngestSettings
from services.registry.__main__ import build as build_registry
from services.registry.settings import RegistrySettings


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
