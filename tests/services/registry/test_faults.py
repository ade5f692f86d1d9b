"""The registry's process is killed in the middle of its work, and started again."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest

from precordia.catalog import Lineage, ModelEvent, ModelRef
from precordia.client import Addresses, connect
from precordia.errors import PrecordiaError
from precordia.v1 import registry_pb2 as pb
from precordia.v1 import registry_pb2_grpc
from tests.services.registry.graphs import linear_model, manifest

pytestmark = pytest.mark.faults

FILLING = bytes(range(256)) * (1 << 14)  # 4 MiB beside the graph, so that an upload takes a while


@contextmanager
def process(home: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The service in a process of its own, and its address."""
    environment = os.environ | {
        "PRECORDIA_HOME": str(home),
        "PRECORDIA_REGISTRY_LISTEN": "127.0.0.1:0",
        "PRECORDIA_REGISTRY_PUBLISH_SHIPPED": "false",
    }
    started = subprocess.Popen(
        [sys.executable, "-m", "services.registry"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert started.stdout is not None
    try:
        yield started, json.loads(started.stdout.readline())["address"]
    finally:
        started.kill()
        started.wait()
        started.stdout.close()


def files(scale: float) -> dict[str, bytes]:
    return {"model.onnx": linear_model(scale=scale).SerializeToString(), "report.json": FILLING}


async def models_at(address: str) -> dict[ModelRef, dict[str, bytes]]:
    async with connect(Addresses(registry=address)) as precordia:
        found = {}
        for newest in await precordia.registry.models():
            for version in await precordia.registry.versions(newest.name):
                found[version.ref] = (await precordia.registry.fetch(version.ref))[1]
        return found


async def test_killed_in_the_middle_of_an_upload_it_shows_the_old_state(tmp_path: Path) -> None:
    with process(tmp_path) as (service, address):
        async with connect(Addresses(registry=address)) as precordia:
            await precordia.registry.publish("net", manifest(), files(1), Lineage("trained"))
        await upload_half(address, service)

    with process(tmp_path) as (_, address):
        assert await models_at(address) == {ModelRef("net", 1): files(1)}


async def upload_half(address: str, service: subprocess.Popen[str]) -> None:
    content = files(2)["model.onnx"]

    async def parts() -> AsyncIterator[pb.PublishModelRequest]:
        lineage = pb.Lineage(origin="trained")
        yield pb.PublishModelRequest(
            header=pb.PublishHeader(name="net", manifest_json=manifest().canonical(), lineage=lineage)
        )
        yield pb.PublishModelRequest(artifact=header("model.onnx", content))
        yield pb.PublishModelRequest(chunk=content)
        yield pb.PublishModelRequest(artifact=header("report.json", FILLING))
        yield pb.PublishModelRequest(chunk=FILLING[: 1 << 20])
        await asyncio.sleep(0.3)
        service.send_signal(signal.SIGKILL)
        await asyncio.sleep(30)

    async with grpc.aio.insecure_channel(address) as channel:
        with pytest.raises(grpc.aio.AioRpcError):
            await registry_pb2_grpc.RegistryServiceStub(channel).PublishModel(parts())


def header(name: str, content: bytes) -> pb.ArtifactHeader:
    return pb.ArtifactHeader(name=name, size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


@pytest.mark.parametrize("after_s", [0.02, 0.15, 0.4, 0.6])
async def test_killed_at_any_moment_it_shows_whole_versions_and_all_it_acknowledged(
    tmp_path: Path, after_s: float
) -> None:
    acknowledged: set[ModelRef] = set()
    with process(tmp_path) as (service, address):
        async with connect(Addresses(registry=address)) as precordia:

            async def publish(scale: int) -> None:
                version, _ = await precordia.registry.publish(
                    "net", manifest(), files(scale), Lineage("trained"), ["best"]
                )
                acknowledged.add(version.ref)

            await publish(1)
            more = [asyncio.create_task(publish(scale)) for scale in (2, 3)]
            await asyncio.sleep(after_s)
            service.send_signal(signal.SIGKILL)
            outcomes = await asyncio.wait_for(asyncio.gather(*more, return_exceptions=True), 60)
    assert all(outcome is None or isinstance(outcome, PrecordiaError) for outcome in outcomes)

    with process(tmp_path) as (_, address):
        found = await models_at(address)
        async with connect(Addresses(registry=address)) as precordia:
            best = await precordia.registry.get(ModelRef("net", alias="best"))
            events = [event.number async for event in first(precordia.registry.watch(), 2 * len(found))]
    assert acknowledged <= set(found)
    assert all(content in (files(1), files(2), files(3)) for content in found.values())
    assert best.version == max(ref.version for ref in found)
    assert events == list(range(1, 2 * len(found) + 1))  # published and alias moved, in one transaction


async def first(stream: AsyncIterator[ModelEvent], count: int) -> AsyncIterator[ModelEvent]:
    for _ in range(count):
        yield await anext(stream)
