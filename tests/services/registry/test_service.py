"""The registry as its callers see it: over the wire, through the client."""

from __future__ import annotations

import asyncio
import hashlib
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from precordia.catalog import Lineage, ModelChange, ModelRef
from precordia.client import Addresses, connect
from precordia.client.registry import RegistryClient
from precordia.errors import ChecksumMismatch, InUse, InvalidArgument, InvalidModel, ModelNotFound
from precordia.rpc.server import serving
from precordia.rpc.status import from_rpc_error
from precordia.v1 import registry_pb2 as pb
from precordia.v1 import registry_pb2_grpc
from services.registry.__main__ import build
from services.registry.settings import RegistrySettings
from tests.services.registry.graphs import linear_model, manifest, norm_model

MODEL = linear_model().SerializeToString()


def settings(home: Path) -> RegistrySettings:
    return RegistrySettings(home=home, listen="127.0.0.1:0", publish_shipped=False)


@pytest.fixture
async def address(tmp_path: Path) -> AsyncIterator[str]:
    async with serving(build(settings(tmp_path))) as address:
        yield address


@pytest.fixture
async def registry(address: str) -> AsyncIterator[RegistryClient]:
    async with connect(Addresses(registry=address)) as precordia:
        yield precordia.registry


async def test_a_model_goes_in_and_comes_out(registry: RegistryClient) -> None:
    big = bytes(3 << 20) + b"end"

    version, created = await registry.publish(
        "net", manifest(), {"model.onnx": MODEL, "report.json": big}, Lineage("trained"), ["prod"]
    )
    found, files = await registry.fetch(ModelRef("net", alias="prod"))

    assert created
    assert found == version
    assert files == {"model.onnx": MODEL, "report.json": big}
    assert [model.ref for model in await registry.models()] == [ModelRef("net", 1)]
    assert [model.version for model in await registry.versions("net")] == [1]


async def test_an_import_is_mended_and_says_so(registry: RegistryClient) -> None:
    version, created = await registry.import_model("norm", norm_model().SerializeToString(), manifest())
    again, again_created = await registry.import_model("norm", norm_model().SerializeToString(), manifest())

    assert (version.ref, created, again.ref, again_created) == (ModelRef("norm", 1), True, ModelRef("norm", 1), False)
    assert [remark.code for remark in version.remarks] == ["batch_norm_training_mode"]
    assert version.manifest == manifest()


async def test_a_broken_import_is_refused_and_leaves_nothing(registry: RegistryClient) -> None:
    for content in (b"", b"\x00" * 100, MODEL[:-40]):
        with pytest.raises(InvalidModel):
            await registry.import_model("broken", content)

    assert await registry.models() == []


async def test_errors_come_back_as_themselves(registry: RegistryClient) -> None:
    await registry.publish("net", manifest(), {"model.onnx": MODEL}, Lineage("trained"), ["prod"])

    with pytest.raises(ModelNotFound):
        await registry.get(ModelRef("other"))
    with pytest.raises(InUse):
        await registry.delete_version("net", 1)
    with pytest.raises(InvalidArgument) as refused:
        await registry.set_alias("net", "latest", 1)
    assert refused.value.field == "alias"


async def test_changes_are_watched_while_they_happen(registry: RegistryClient) -> None:
    await registry.publish("net", manifest(), {"model.onnx": MODEL}, Lineage("trained"))
    watch = registry.watch()
    first = await asyncio.wait_for(anext(watch), 60)

    await registry.set_alias("net", "prod", 1)
    second = await asyncio.wait_for(anext(watch), 60)

    assert (first.change, first.number) == (ModelChange.VERSION_PUBLISHED, 1)
    assert (second.change, second.alias, second.number) == (ModelChange.ALIAS_SET, "prod", 2)


async def test_operating_points_and_lineage_travel(registry: RegistryClient) -> None:
    base, _ = await registry.publish("net", manifest(), {"model.onnx": MODEL}, Lineage("trained"))
    child = linear_model(scale=2).SerializeToString()
    await registry.publish("child", manifest(), {"model.onnx": child}, Lineage("finetuned", base_digest=base.digest))

    tuned = await registry.set_operating_points("net", 1, '{"temperature": 2}')

    assert (tuned.operating_points_json, tuned.operating_points_revision) == ('{"temperature":2}', 1)
    assert [step.model for step in await registry.lineage(ModelRef("child"))] == ["net:1"]


async def test_a_version_is_published_with_its_operating_points(registry: RegistryClient) -> None:
    version, _ = await registry.publish(
        "net", manifest(), {"model.onnx": MODEL}, Lineage("trained"), ("prod",), "id", '{"temperature": 2}'
    )

    assert (version.operating_points_json, version.operating_points_revision) == ('{"temperature":2}', 1)
    assert await registry.get(ModelRef("net", alias="prod")) == version


async def test_a_stream_that_ends_early_is_refused_with_a_status(address: str) -> None:
    header = pb.PublishHeader(name="net", manifest_json=manifest().canonical(), lineage=pb.Lineage(origin="trained"))
    file = pb.ArtifactHeader(name="model.onnx", size_bytes=len(MODEL), sha256=hashlib.sha256(MODEL).hexdigest())

    async def parts() -> AsyncIterator[pb.PublishModelRequest]:
        yield pb.PublishModelRequest(header=header)
        yield pb.PublishModelRequest(artifact=file)
        yield pb.PublishModelRequest(chunk=MODEL[:10])

    async with grpc.aio.insecure_channel(address) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await registry_pb2_grpc.RegistryServiceStub(channel).PublishModel(parts())

    assert isinstance(from_rpc_error(refused.value), ChecksumMismatch)


async def test_an_empty_message_and_a_wrong_page_token_are_refused(address: str) -> None:
    async def nothing() -> AsyncIterator[pb.PublishModelRequest]:
        yield pb.PublishModelRequest()

    async with grpc.aio.insecure_channel(address) as channel:
        stub = registry_pb2_grpc.RegistryServiceStub(channel)
        calls = (
            stub.PublishModel(nothing()),
            stub.ListModelVersions(pb.ListModelVersionsRequest(name="net", page_token="²")),
            stub.ListModels(pb.ListModelsRequest(page_size=5000)),
        )
        for call in calls:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await call
            assert isinstance(from_rpc_error(refused.value), InvalidArgument)


async def test_lists_come_in_pages(address: str, registry: RegistryClient) -> None:
    for name in ("a", "b", "c"):
        await registry.publish(name, manifest(), {"model.onnx": MODEL}, Lineage("trained"))

    async with grpc.aio.insecure_channel(address) as channel:
        stub = registry_pb2_grpc.RegistryServiceStub(channel)
        first = await stub.ListModels(pb.ListModelsRequest(page_size=2))
        rest = await stub.ListModels(pb.ListModelsRequest(page_size=2, page_token=first.next_page_token))

    assert [model.name for model in first.models] == ["a", "b"]
    assert ([model.name for model in rest.models], rest.next_page_token) == (["c"], "")


def test_the_service_itself_loads_no_onnx_library_and_no_torch() -> None:
    code = "import services.registry.__main__, sys; print({'onnx', 'onnxruntime', 'torch'} & set(sys.modules))"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "set()"


async def test_a_restart_shows_the_same_models(tmp_path: Path) -> None:
    async with serving(build(settings(tmp_path))) as address, connect(Addresses(registry=address)) as precordia:
        before, _ = await precordia.registry.publish("net", manifest(), {"model.onnx": MODEL}, Lineage("trained"))
    async with serving(build(settings(tmp_path))) as address, connect(Addresses(registry=address)) as precordia:
        after, files = await precordia.registry.fetch(ModelRef("net"))

    assert (after, files) == (before, {"model.onnx": MODEL})
