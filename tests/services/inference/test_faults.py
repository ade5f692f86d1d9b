"""The service killed in the middle of long work."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from precordia.catalog import Lineage, ModelRef
from precordia.client import Addresses, Connection, connect
from precordia.dataset import LabelScheme, SplitRef, SplitRule
from precordia.evaluation import EvaluationWish, ThresholdChoice, ThresholdRule
from precordia.manifest import Activation, Output, Task
from precordia.operation import OperationState
from precordia.prediction import Prediction
from precordia.rpc.server import serving
from services.ingest.__main__ import build as build_ingest
from services.ingest.settings import IngestSettings
from services.registry.__main__ import build as build_registry
from services.registry.settings import RegistrySettings
from tests.holding import Hold
from tests.services.inference import ecg_study

RECORDS = 200


def held(home: Path) -> Hold:
    return Hold(home / "hold")


@contextlib.asynccontextmanager
async def inference_process(
    home: Path, registry: str, ingest: str
) -> AsyncIterator[tuple[asyncio.subprocess.Process, Connection]]:
    """The service in a process of its own; killed at the end if it still lives."""
    environment = os.environ | held(home).variables
    environment |= {
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
        async with asyncio.timeout(240):
            ready = json.loads(await process.stdout.readline())
        async with connect(Addresses(inference=ready["address"])) as precordia:
            yield process, precordia
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        await process.wait()


@contextlib.asynccontextmanager
async def neighbours(home: Path) -> AsyncIterator[tuple[str, str, Connection]]:
    """Registry and ingest, which go on, with the study in them."""
    async with contextlib.AsyncExitStack() as stack:
        registry_app = build_registry(
            RegistrySettings(home=home, listen="127.0.0.1:0", publish_shipped=False, drain_s=1)
        )
        registry = await stack.enter_async_context(serving(registry_app))
        ingest_app = build_ingest(IngestSettings(home=home, listen="127.0.0.1:0", drain_s=1))
        ingest = await stack.enter_async_context(serving(ingest_app))
        keeper = await stack.enter_async_context(connect(Addresses(registry=registry, ingest=ingest)))
        await keeper.ingest.import_source(ecg_study.study(RECORDS), ecg_study.HINTS, "study")
        await keeper.ingest.import_labels("study", "labels.csv", ecg_study.labels(RECORDS), LabelScheme.TABLE)
        await keeper.ingest.create_snapshot("study", (SplitRule("train", ("1",)), SplitRule("test", ("2", "3", "4"))))
        yield registry, ingest, keeper


@pytest.mark.faults
async def test_a_split_prediction_survives_kill_minus_9(tmp_path: Path) -> None:
    held(tmp_path).after("progress", 1)
    graph, manifest = ecg_study.slow_model(64)
    async with neighbours(tmp_path) as (registry, ingest, keeper):
        await keeper.registry.publish("slow", manifest, {"model.onnx": graph}, Lineage("imported"))
        async with inference_process(tmp_path, registry, ingest) as (process, precordia):
            operation = await precordia.inference.predict_dataset(ModelRef("slow"), SplitRef("study"))
            before = await _first_predictions(precordia, operation.operation_id)
            process.send_signal(signal.SIGKILL)
            await process.wait()
        assert 0 < len(before) < RECORDS
        held(tmp_path).release()

        async with inference_process(tmp_path, registry, ingest) as (_, precordia):
            async with asyncio.timeout(240):
                ended = await precordia.inference.operations.wait(operation.operation_id)
            after = [one async for one in precordia.inference.predictions(operation.operation_id)]
            events = [event async for event in precordia.inference.operations.watch(operation.operation_id)]

    assert ended.state is OperationState.SUCCEEDED, ended.error_message
    assert ended.attempt == 2
    assert ended.result["predicted"] == RECORDS
    assert len({one.tag for one in after}) == len(after) == RECORDS
    assert [one.predicted_at for one in after[: len(before)]] == [one.predicted_at for one in before]
    assert [event.number for event in events] == list(range(1, len(events) + 1))


@pytest.mark.faults
async def test_an_evaluation_goes_on_after_kill_minus_9_and_measures_the_same(tmp_path: Path) -> None:
    """Two models, thresholds from another split, killed while the second one is at work."""
    graph, manifest = ecg_study.way_model()
    slow_graph, slow = ecg_study.slow_model(64)
    held(tmp_path).after("progress", RECORDS + 1)
    slow_manifest = replace(slow, outputs=(Output("UP"),), task=Task.MULTILABEL, activation=Activation.SIGMOID)
    wish = EvaluationWish(
        (ModelRef("way"), ModelRef("slow")),
        (SplitRef("study", "test"),),
        thresholds=ThresholdChoice(SplitRef("study", "train"), ThresholdRule.YOUDEN, store=True),
        draws=20,
    )
    async with neighbours(tmp_path) as (registry, ingest, keeper):
        await keeper.registry.publish("way", manifest, {"model.onnx": graph}, Lineage("imported"))
        await keeper.registry.publish("slow", slow_manifest, {"model.onnx": slow_graph}, Lineage("imported"))
        async with inference_process(tmp_path, registry, ingest) as (process, precordia):
            operation = await precordia.inference.evaluate_all(wish)
            before = await _first_predictions(precordia, operation.operation_id, more_than=RECORDS)
            process.send_signal(signal.SIGKILL)
            await process.wait()
        held(tmp_path).release()
        async with inference_process(tmp_path, registry, ingest) as (_, precordia):
            async with asyncio.timeout(240):
                ended = await precordia.inference.operations.wait(operation.operation_id)
                undisturbed = await precordia.inference.evaluate_all(wish)
                whole = await precordia.inference.operations.wait(undisturbed.operation_id)
            after = [one async for one in precordia.inference.predictions(operation.operation_id)]
        points = (await keeper.registry.get(ModelRef("way"))).operating_points_revision

    assert ended.state is OperationState.SUCCEEDED, ended.error_message
    assert ended.attempt == 2
    assert RECORDS < len(before) < len(after) == 2 * RECORDS
    assert [one.predicted_at for one in after[: len(before)]] == [one.predicted_at for one in before]
    figures, others = (dict(_flat(_timeless(result))) for result in (ended.result, whole.result))
    assert figures.keys() == others.keys()
    differing = {name: (value, others[name]) for name, value in figures.items() if not _alike(value, others[name])}
    assert differing == {}
    assert points == 1


def _timeless(result: Mapping[str, Any]) -> dict[str, Any]:
    """An evaluation without what was measured on this machine, and what the first one stored for the second."""
    evaluations = [
        {**one, "cost": None, "decided_by": {"chosen": one["decided_by"]["chosen"]}} for one in result["evaluations"]
    ]
    return {**result, "evaluations": evaluations}


def _alike(one: Any, other: Any) -> bool:
    """Equal, or numbers that differ by how many threads a model ran with."""
    return bool(one == (pytest.approx(other, rel=1e-5, abs=1e-7) if isinstance(other, float) else other))


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every number and word of a document, by its place in it."""
    parts = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else None
    if parts is None:
        yield name, value
        return
    yield f"{name}/", len(value)
    for key, part in parts:
        yield from _flat(part, f"{name}/{key}")


async def _first_predictions(precordia: Connection, operation_id: str, *, more_than: int = 0) -> list[Prediction]:
    async with asyncio.timeout(240):
        while True:
            made = [one async for one in precordia.inference.predictions(operation_id)]
            if len(made) > more_than:
                return made
            await asyncio.sleep(0.05)
