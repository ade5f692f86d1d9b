"""The service killed in the middle of long work."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from precordia.catalog import Lineage, ModelRef
from precordia.client import Addresses, Connection, connect
from precordia.dataset import LabelScheme, SplitRef
from precordia.operation import OperationState
from precordia.prediction import Prediction
from precordia.rpc.server import serving
from services.ingest.__main__ import build as build_ingest
from services.ingest.settings import IngestSettings
from services.registry.__main__ import build as build_registry
from services.registry.settings import RegistrySettings
from tests.services.inference import ecg_study

RECORDS = 400


@contextlib.asynccontextmanager
async def inference_process(
    home: Path, registry: str, ingest: str
) -> AsyncIterator[tuple[asyncio.subprocess.Process, Connection]]:
    """The service in a process of its own; killed at the end if it still lives."""
    environment = os.environ | {
        "PRECORDIA_HOME": str(home),
        "PRECORDIA_REGISTRY": registry,
        "PRECORDIA_INGEST": ingest,
        "PRECORDIA_INFERENCE_LISTEN": "127.0.0.1:0",
        "PRECORDIA_INFERENCE_SESSIONS": "1",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.inference", env=environment, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            ready = json.loads(await process.stdout.readline())
        async with connect(Addresses(inference=ready["address"])) as precordia:
            yield process, precordia
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        await process.wait()


@pytest.mark.faults
async def test_a_split_prediction_survives_kill_minus_9(tmp_path: Path) -> None:
    graph, manifest = ecg_study.slow_model(2048)
    async with contextlib.AsyncExitStack() as stack:
        registry_app = build_registry(
            RegistrySettings(home=tmp_path, listen="127.0.0.1:0", publish_shipped=False, drain_s=1)
        )
        registry = await stack.enter_async_context(serving(registry_app))
        ingest_app = build_ingest(IngestSettings(home=tmp_path, listen="127.0.0.1:0", drain_s=1))
        ingest = await stack.enter_async_context(serving(ingest_app))
        keeper = await stack.enter_async_context(connect(Addresses(registry=registry, ingest=ingest)))
        await keeper.registry.publish("slow", manifest, {"model.onnx": graph}, Lineage("imported"))
        await keeper.ingest.import_source(ecg_study.study(RECORDS), ecg_study.HINTS, "study")
        await keeper.ingest.import_labels("study", "labels.csv", ecg_study.labels(RECORDS), LabelScheme.TABLE)
        await keeper.ingest.create_snapshot("study")

        async with inference_process(tmp_path, registry, ingest) as (process, precordia):
            operation = await precordia.inference.predict_dataset(ModelRef("slow"), SplitRef("study"))
            before = await _first_predictions(precordia, operation.operation_id)
            process.send_signal(signal.SIGKILL)
            await process.wait()
        assert 0 < len(before) < RECORDS

        async with inference_process(tmp_path, registry, ingest) as (_, precordia):
            async with asyncio.timeout(90):
                ended = await precordia.inference.operations.wait(operation.operation_id)
            after = [one async for one in precordia.inference.predictions(operation.operation_id)]
            events = [event async for event in precordia.inference.operations.watch(operation.operation_id)]

    assert ended.state is OperationState.SUCCEEDED, ended.error_message
    assert ended.attempt == 2
    assert ended.result["predicted"] == RECORDS
    assert len({one.tag for one in after}) == len(after) == RECORDS
    assert [one.predicted_at for one in after[: len(before)]] == [one.predicted_at for one in before]
    assert [event.number for event in events] == list(range(1, len(events) + 1))


async def _first_predictions(precordia: Connection, operation_id: str) -> list[Prediction]:
    async with asyncio.timeout(60):
        while True:
            made = [one async for one in precordia.inference.predictions(operation_id)]
            if made:
                return made
            await asyncio.sleep(0.05)
