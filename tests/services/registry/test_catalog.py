"""Publishing, importing, sweeping and lineage, without RPC."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import struct
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from precordia.catalog import Artifact, Lineage, LineageStep, ModelChange, ModelRef, ModelVersion
from precordia.errors import (
    ArtifactNotFound,
    ChecksumMismatch,
    InvalidArgument,
    InvalidModel,
    ModelNotFound,
    TooLarge,
)
from precordia.manifest import Manifest
from precordia.storage.blobs import BlobStore
from precordia.storage.database import open_database
from services.registry.catalog import Catalog
from services.registry.changes import ModelChanges
from services.registry.examined import Examined
from services.registry.onnx_check import ModelCheck
from services.registry.onnx_examination import examine_imported, examine_published
from services.registry.orders import ImportOrder, PublishOrder
from services.registry.shipped import publish_shipped
from services.registry.store import ModelStore
from services.registry.uploads import Importation, Publication
from tests.services.registry.graphs import linear_model, manifest

Part = PublishOrder | Artifact | bytes

SAFETENSORS = struct.pack("<Q", 2) + b"{}"


class CheckHere(ModelCheck):
    """The same examination without a process of its own, so that tests are quick."""

    def published(self, content: bytes, manifest: Manifest) -> Examined:
        return examine_published(content, manifest)

    def imported(self, content: bytes, manifest: Manifest | None) -> Examined:
        return examine_imported(content, manifest)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "blobs"


@pytest.fixture
def catalog(tmp_path: Path, folder: Path) -> Iterator[Catalog]:
    engine = open_database(f"sqlite:///{tmp_path}/registry.db", "services.registry.migrations")
    store = ModelStore(engine)
    yield Catalog(store, BlobStore(folder), CheckHere(), ModelChanges(store, poll_s=30), longest_bytes=1 << 20)
    engine.dispose()


def described(name: str, content: bytes) -> Artifact:
    return Artifact(name, hashlib.sha256(content).hexdigest(), len(content))


def publish(
    catalog: Catalog,
    *,
    name: str = "net",
    scale: float = 1.0,
    lineage: Lineage | None = None,
    aliases: tuple[str, ...] = (),
    files: dict[str, bytes] | None = None,
) -> tuple[ModelVersion, bool]:
    content = linear_model(scale=scale).SerializeToString()
    parts: list[Part] = [PublishOrder(name, manifest(), lineage or Lineage("trained"), aliases)]
    for file, data in ({"model.onnx": content} | (files or {})).items():
        parts.append(described(file, data))
        parts.extend(data[start : start + 100] for start in range(0, len(data), 100))
    return send(catalog, parts)


def send(catalog: Catalog, parts: Sequence[Part]) -> tuple[ModelVersion, bool]:
    with Publication(catalog) as publication:
        for part in parts:
            publication.take(part)
        return publication.finish()


def blobs(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def age(folder: Path) -> None:
    """All files look two hours old."""
    for path in blobs(folder):
        os.utime(path, (time.time() - 7200,) * 2)


def test_a_published_model_comes_back_byte_for_byte(catalog: Catalog) -> None:
    version, created = publish(catalog, aliases=("prod",), files={"weights.safetensors": SAFETENSORS})

    files = {file.name: b"".join(catalog.chunks(file)) for file in catalog.files(version)}

    assert created
    assert files == {"model.onnx": linear_model().SerializeToString(), "weights.safetensors": SAFETENSORS}
    assert catalog.get(ModelRef("net", alias="prod")) == version


def test_the_digest_is_over_manifest_and_files(catalog: Catalog) -> None:
    version, _ = publish(catalog, files={"weights.safetensors": SAFETENSORS})

    lines = [manifest().digest(), *sorted(f"{file.name} {file.sha256}" for file in version.artifacts)]
    assert version.digest == hashlib.sha256("\n".join(lines).encode()).hexdigest()


def test_only_named_files_are_fetched(catalog: Catalog) -> None:
    version, _ = publish(catalog, files={"report.json": b"{}"})

    assert [file.name for file in catalog.files(version, ["report.json"])] == ["report.json"]
    with pytest.raises(ArtifactNotFound):
        catalog.files(version, ["weights.safetensors"])


@pytest.mark.parametrize(
    ("announced", "parts"),
    [
        (Artifact("model.onnx", hashlib.sha256(b"abc").hexdigest(), 3), [b"abd"]),
        (Artifact("model.onnx", hashlib.sha256(b"abc").hexdigest(), 3), [b"ab"]),
        (Artifact("model.onnx", hashlib.sha256(b"abc").hexdigest(), 3), [b"ab", b"cd"]),
    ],
)
def test_bytes_that_are_not_those_announced_are_refused_and_nothing_stays(
    catalog: Catalog, folder: Path, announced: Artifact, parts: list[bytes]
) -> None:
    with pytest.raises(ChecksumMismatch):
        send(catalog, [PublishOrder("net", manifest(), Lineage("trained")), announced, *parts])

    assert blobs(folder) == []
    assert catalog.known_names() == frozenset()


@pytest.mark.parametrize(
    ("parts", "error"),
    [
        ([b"chunk"], InvalidArgument),
        ([described("model.onnx", b"")], InvalidArgument),
        ([PublishOrder("net", manifest(), Lineage("trained")), b"chunk"], InvalidArgument),
        ([PublishOrder("net", manifest(), Lineage("trained"))] * 2, InvalidArgument),
        ([PublishOrder("net\n", manifest(), Lineage("trained"))], InvalidArgument),
        ([PublishOrder("net", manifest(), Lineage("trained"), request_id="\0")], InvalidArgument),
        ([PublishOrder("../net", manifest(), Lineage("trained"))], InvalidArgument),
        ([PublishOrder("net", manifest(), Lineage("found"))], InvalidArgument),
        ([PublishOrder("net", manifest(), Lineage("trained", details_json="[]"))], InvalidArgument),
        ([PublishOrder("net", manifest(), Lineage("trained"), ("latest",))], InvalidArgument),
        ([PublishOrder("net", manifest(), Lineage("trained"), request_id="x" * 200)], InvalidArgument),
        ([PublishOrder("net", manifest(), Lineage("trained")), Artifact("../x", "a" * 64, 1)], InvalidArgument),
        ([PublishOrder("net", manifest(), Lineage("trained")), Artifact("x", "", 1)], InvalidArgument),
        ([PublishOrder("net", manifest(), Lineage("trained")), Artifact("x", "a" * 64, 2 << 20)], TooLarge),
        ([PublishOrder("net", manifest(), Lineage("trained"))], InvalidModel),
    ],
)
def test_a_stream_that_breaks_the_rules_is_refused(catalog: Catalog, parts: list[Part], error: type[Exception]) -> None:
    with pytest.raises(error):
        send(catalog, parts)

    assert catalog.known_names() == frozenset()


@pytest.mark.parametrize(
    "points", ["no json", '{"temperature": 0}', '{"thresholds": {"OTHER": 0.5}}', '{"tresholds": {}}']
)
def test_a_version_with_unusable_operating_points_is_refused_whole(catalog: Catalog, points: str) -> None:
    order = PublishOrder("net", manifest(), Lineage("trained"), ("prod",), operating_points_json=points)
    with pytest.raises(InvalidArgument) as refused:
        send(catalog, [order])

    assert refused.value.field == "operating_points_json"
    assert catalog.known_names() == frozenset()


def test_weights_that_are_no_safetensors_are_refused(catalog: Catalog) -> None:
    for content in (b"", b"\x80\x04pickle.", struct.pack("<Q", 1 << 60) + b"{}", struct.pack("<Q", 2) + b"[]"):
        with pytest.raises(InvalidModel, match="safetensors"):
            publish(catalog, files={"weights.safetensors": content})


def test_every_onnx_file_of_a_version_is_checked(catalog: Catalog) -> None:
    with pytest.raises(InvalidModel):
        publish(catalog, files={"model.int8.onnx": b"no model"})


def test_an_import_keeps_the_files_hash_and_its_remarks(catalog: Catalog) -> None:
    content = linear_model(metadata=(("sampling_rate", "10"),)).SerializeToString()
    with Importation(catalog) as importation:
        importation.take((ImportOrder("brought"), described("my model (1).onnx", content)))
        importation.take(content)
        version, created = importation.finish()

    facts = json.loads(version.lineage.details_json)
    assert created
    assert version.lineage.origin == "imported"
    assert (facts["file_sha256"], facts["opset"]) == (hashlib.sha256(content).hexdigest(), 17)
    assert "unnamed_outputs" in {remark.code for remark in version.remarks}
    assert [file.name for file in version.artifacts] == ["model.onnx"]


def test_a_sweep_takes_old_orphans_and_leaves_what_versions_have(catalog: Catalog, folder: Path) -> None:
    version, _ = publish(catalog)
    publish(catalog, scale=2)
    catalog.delete("net", 2)
    with catalog.reception() as reception:
        reception.begin(described("model.onnx", b"never published"))
        reception.write(b"never published")
        reception.finish()
    age(folder)

    assert catalog.sweep() == 2
    assert [path.name for path in blobs(folder)] == [version.artifacts[0].sha256]


def test_a_sweep_leaves_young_files_to_their_authors(catalog: Catalog, folder: Path) -> None:
    publish(catalog)
    catalog.delete("net", 1)

    assert catalog.sweep() == 0
    assert len(blobs(folder)) == 1


def test_lineage_walks_from_parent_to_parent_across_names(catalog: Catalog) -> None:
    root, _ = publish(catalog, name="root")
    middle, _ = publish(
        catalog, name="middle", scale=2, lineage=Lineage("finetuned", base_model="root:1", base_digest=root.digest)
    )
    publish(catalog, name="leaf", scale=3, lineage=Lineage("quantized", base_model="middle:1"))

    assert catalog.lineage(ModelRef("leaf")) == (
        LineageStep("middle:1", middle.digest, middle.lineage),
        LineageStep("root:1", root.digest, root.lineage),
    )
    assert catalog.lineage(ModelRef("root")) == ()


def test_an_ancestor_that_is_not_kept_here_ends_the_walk_by_name(catalog: Catalog) -> None:
    lineage = Lineage("finetuned", base_model="elsewhere:4", base_digest="f" * 64)
    publish(catalog, lineage=lineage)

    assert catalog.lineage(ModelRef("net")) == (LineageStep("elsewhere:4", "f" * 64),)


def test_a_lineage_that_runs_in_a_circle_ends(catalog: Catalog) -> None:
    publish(catalog, lineage=Lineage("finetuned", base_model="net:1"))

    assert catalog.lineage(ModelRef("net")) == ()


def test_latest_cannot_be_set_or_deleted(catalog: Catalog) -> None:
    publish(catalog)

    with pytest.raises(InvalidArgument):
        catalog.set_alias("net", "latest", 1)
    with pytest.raises(InvalidArgument):
        catalog.delete_alias("net", "latest")


def test_a_number_is_a_version_and_no_alias(catalog: Catalog) -> None:
    publish(catalog)

    with pytest.raises(InvalidArgument, match="number"):
        catalog.set_alias("net", "2", 1)
    assert catalog.set_alias("net", "v2", 1).aliases == ("v2",)


async def test_a_watcher_sees_the_past_and_then_the_present(catalog: Catalog) -> None:
    publish(catalog, aliases=("prod",))
    watch = catalog.changes.watch(1)
    past = await anext(watch)

    coming = asyncio.ensure_future(anext(watch))
    await asyncio.sleep(0.05)
    assert not coming.done()
    await asyncio.to_thread(catalog.set_alias, "net", "beta", 1)
    present = await asyncio.wait_for(coming, 60)

    assert (past.number, past.change, past.alias) == (2, ModelChange.ALIAS_SET, "prod")
    assert (present.number, present.change, present.alias) == (3, ModelChange.ALIAS_SET, "beta")


async def test_a_number_that_no_event_can_have_is_refused(catalog: Catalog) -> None:
    with pytest.raises(InvalidArgument):
        await anext(catalog.changes.watch(1 << 63))


def test_references_with_unusable_names_are_refused(catalog: Catalog) -> None:
    for ref in (ModelRef("net\0"), ModelRef("net", alias="a\0")):
        with pytest.raises(InvalidArgument):
            catalog.get(ref)


async def test_watchers_end_when_the_service_closes(catalog: Catalog) -> None:
    async def follow() -> list[int]:
        numbers = []
        async for event in catalog.changes.watch():
            numbers.append(event.number)
            following.release()
        return numbers

    following = asyncio.Semaphore(0)
    publish(catalog)
    watchers = [asyncio.create_task(follow()) for _ in range(50)]
    async with asyncio.timeout(60):
        for _ in watchers:
            await following.acquire()
    catalog.changes.close()

    assert await asyncio.wait_for(asyncio.gather(*watchers), 60) == [[1]] * 50


def shipped(folder: Path) -> Path:
    model = folder / "shipped" / "carried"
    model.mkdir(parents=True)
    (model / "model.onnx").write_bytes(linear_model().SerializeToString())
    (model / "weights.safetensors").write_bytes(SAFETENSORS)
    (model / "manifest.json").write_text(manifest().canonical(), encoding="utf-8")
    return model.parent


def test_shipped_models_are_published_into_an_empty_registry_once(catalog: Catalog, tmp_path: Path) -> None:
    folder = shipped(tmp_path)

    assert publish_shipped(catalog, folder) == 1
    version = catalog.get(ModelRef("carried", alias="shipped"))
    assert (version.version, version.lineage.origin) == (1, "shipped")

    catalog.delete_alias("carried", "shipped")
    catalog.delete("carried", 1)
    assert publish_shipped(catalog, folder) == 0
    with pytest.raises(ModelNotFound):
        catalog.get(ModelRef("carried"))


def test_a_shipped_model_brings_its_card_and_operating_points(catalog: Catalog, tmp_path: Path) -> None:
    folder = shipped(tmp_path)
    output = manifest().output_names[0]
    (folder / "carried" / "operating_points.json").write_text(json.dumps({"thresholds": {output: 0.25}}))
    (folder / "carried" / "model_card.md").write_text("# carried\n")

    assert publish_shipped(catalog, folder) == 1
    version = catalog.get(ModelRef("carried"))
    assert json.loads(version.operating_points_json) == {"thresholds": {output: 0.25}}
    assert {artifact.name for artifact in version.artifacts} == {"model.onnx", "weights.safetensors", "model_card.md"}


def test_shipped_models_stay_out_of_a_registry_in_use(catalog: Catalog, tmp_path: Path) -> None:
    publish(catalog)

    assert publish_shipped(catalog, shipped(tmp_path)) == 0


def test_a_shipped_model_that_is_broken_or_incomplete_is_passed_over(catalog: Catalog, tmp_path: Path) -> None:
    folder = shipped(tmp_path)
    (folder / "carried" / "model.onnx").write_bytes(b"broken")
    (folder / "incomplete").mkdir()

    assert publish_shipped(catalog, folder) == 0
    assert publish_shipped(catalog, tmp_path / "nothing") == 0
