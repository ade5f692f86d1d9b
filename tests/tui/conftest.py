"""ECGs for the screen, and services to ask."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import numpy as np
import pytest
from textual.notifications import Notification

from precordia.client import Addresses
from precordia.leads import STANDARD_LEADS
from precordia.record import Hints, Sex, Signal, Unit
from precordia.rpc.server import serving
from precordia.source import Source
from precordia.stored import StoredRecording
from services.inference.__main__ import build as build_inference
from services.inference.settings import InferenceSettings
from services.ingest.__main__ import build as build_ingest
from services.ingest.settings import IngestSettings
from services.registry.__main__ import build as build_registry
from services.registry.settings import RegistrySettings


@pytest.fixture(autouse=True)
def notices_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until a test has looked, however long that takes."""
    monkeypatch.setattr(Notification, "has_expired", False)


NOWHERE = "127.0.0.1:1"
NO_SERVICES = Addresses(ingest=NOWHERE, inference=NOWHERE, trainer=NOWHERE, registry=NOWHERE)


def beats(samples: int = 5000, rate_hz: float = 500.0, scale: float = 1.0) -> np.ndarray:
    """Twelve leads (12, samples) in mV: limb leads that obey Einthoven, chest leads that grow."""
    at = np.arange(samples) / rate_hz
    beat = sum(np.exp(-(((at - start) / 0.02) ** 2)) for start in np.arange(0.5, at[-1] + 1, 0.8))
    wave = sum(0.25 * np.exp(-(((at - start - 0.28) / 0.06) ** 2)) for start in np.arange(0.5, at[-1] + 1, 0.8))
    one, two = 0.6 * beat + wave, 1.0 * beat + wave
    limbs = [one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2]
    chest = [gain * beat + wave for gain in (-0.6, -0.3, 0.3, 0.9, 1.1, 0.9)]
    return (scale * np.stack(limbs + chest)).astype(np.float32)


@pytest.fixture
def signal() -> Signal:
    """Ten seconds at 500 Hz."""
    return Signal(beats(), STANDARD_LEADS, 500.0)


@pytest.fixture
def recording() -> StoredRecording:
    """Facts that go with it."""
    return StoredRecording(
        recording_id="made-up",
        source_name="made_up.npy",
        source_sha256="",
        source_index=0,
        source_record="",
        format="npy",
        channels=(),
        leads=STANDARD_LEADS,
        sample_rate_hz=500.0,
        samples=5000,
        unit=Unit.MILLIVOLT,
        age_years=61.0,
        sex=Sex.FEMALE,
    )


def source(name: str, scale: float = 1.0) -> tuple[Source, Hints]:
    """An ECG as a file, with the hints that it needs."""
    file = io.BytesIO()
    np.save(file, beats(scale=scale).T)
    return Source(name, file.getvalue()), Hints(500.0, Unit.MILLIVOLT, lead_names=STANDARD_LEADS)


ServeIngest = Callable[..., Awaitable[str]]


@pytest.fixture
async def serve_ingest(tmp_path: Path) -> AsyncIterator[ServeIngest]:
    """Starts ingest in this process, at a free port or a given one; the same data each time."""
    async with AsyncExitStack() as stack:

        async def start(listen: str = "127.0.0.1:0") -> str:
            settings = IngestSettings(home=tmp_path, listen=listen, drain_s=0.2)
            return await stack.enter_async_context(serving(build_ingest(settings)))

        yield start


@pytest.fixture
async def services(tmp_path: Path, serve_ingest: ServeIngest) -> AsyncIterator[Addresses]:
    """Ingest, registry with the shipped model, inference."""
    ingest = await serve_ingest()
    async with AsyncExitStack() as stack:
        registry_settings = RegistrySettings(home=tmp_path, listen="127.0.0.1:0", drain_s=0.2)
        registry = await stack.enter_async_context(serving(build_registry(registry_settings)))
        inference_settings = InferenceSettings(
            home=tmp_path, listen="127.0.0.1:0", drain_s=0.2, ingest=ingest, registry=registry
        )
        inference = await stack.enter_async_context(serving(build_inference(inference_settings)))
        yield Addresses(ingest=ingest, inference=inference, registry=registry, trainer=NOWHERE)
