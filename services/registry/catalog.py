"""The registry's work: publishing, importing, finding and following models."""

from __future__ import annotations

import json
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice

from precordia.catalog import (
    MODEL_ONNX,
    WEIGHTS,
    Artifact,
    Lineage,
    LineageStep,
    ModelRef,
    ModelVersion,
    checked_name,
)
from precordia.errors import ArtifactNotFound, InvalidModel, PrecordiaError, Unavailable
from precordia.manifest import Manifest
from precordia.storage.blobs import BlobStore
from services.registry.changes import ModelChanges
from services.registry.onnx_check import ModelCheck
from services.registry.operating_points import checked_operating_points
from services.registry.orders import ImportOrder, PublishOrder, check_import, check_publish, checked_alias
from services.registry.reception import Reception
from services.registry.store import ModelStore, NewVersion

_LONGEST_HEADER = 100 << 20
_MOST_ANCESTORS = 100


class Catalog:
    """Models, their files and their history. All methods block; none is tied to RPC."""

    def __init__(
        self,
        store: ModelStore,
        blobs: BlobStore,
        check: ModelCheck,
        changes: ModelChanges,
        *,
        longest_bytes: int = 1 << 30,
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._check = check
        self._changes = changes
        self._longest_bytes = longest_bytes
        self._pins: dict[int, frozenset[str]] = {}
        self._pins_lock = threading.Lock()

    @property
    def changes(self) -> ModelChanges:
        """Changes as they happen."""
        return self._changes

    def reception(self) -> Reception:
        """A place for the files of one model to arrive."""
        return Reception(self._blobs, longest_bytes=self._longest_bytes)

    def publish(self, order: PublishOrder, artifacts: tuple[Artifact, ...]) -> tuple[ModelVersion, bool]:
        """Record a version whose files are stored; False where this content had one already.

        Raises:
            InvalidArgument: a name, an alias, the lineage or the operating points are unusable.
            InvalidModel: the graph is missing, broken, or not what the manifest says.
            RequestReused: the request id came before with other content.
        """
        check_publish(order)
        points = order.operating_points_json
        new = NewVersion(
            order.name,
            order.manifest,
            artifacts,
            order.lineage,
            order.aliases,
            request_id=order.request_id,
            operating_points_json=checked_operating_points(points, order.manifest) if points else "",
        )
        with self._pinned(artifacts):
            if self._store.find(order.name, new.digest()) is None:
                self._check_files(order.manifest, artifacts)
            return self._add(new)

    def import_model(self, order: ImportOrder, file: Artifact) -> tuple[ModelVersion, bool]:
        """Mend and check a stored ONNX file and record it; False where this content was there already.

        Raises:
            InvalidModel: it is broken, cannot run here, or leaves open what its numbers mean.
        """
        check_import(order)
        examined = self._check.imported(self._blobs.read(file.sha256), order.manifest)
        blob = self._blobs.put(examined.content)
        artifacts = (Artifact(MODEL_ONNX, blob.sha256, blob.size_bytes),)
        facts = {"file_sha256": file.sha256, "opset": examined.opset, "producer": examined.producer}
        lineage = Lineage("imported", details_json=json.dumps(facts, sort_keys=True))
        with self._pinned(artifacts):
            return self._add(
                NewVersion(
                    order.name,
                    examined.manifest,
                    artifacts,
                    lineage,
                    remarks=examined.remarks,
                    request_id=order.request_id,
                )
            )

    def get(self, ref: ModelRef) -> ModelVersion:
        """The version that a reference means.

        Raises:
            ModelNotFound, AliasNotFound: there is none.
        """
        checked_name(ref.name, field="model.name")
        if ref.alias:
            checked_name(ref.alias, field="model.alias")
        return self._store.get(ref)

    def models(self, *, limit: int, after: str = "") -> list[ModelVersion]:
        """The newest version of each model, by name."""
        return self._store.models(limit=limit, after=after)

    def versions(self, name: str, *, limit: int, before: int = 0) -> list[ModelVersion]:
        """Versions of a model, newest first."""
        return self._store.versions(checked_name(name), limit=limit, before=before)

    def files(self, version: ModelVersion, names: Sequence[str] = ()) -> tuple[Artifact, ...]:
        """The named files of a version, or all.

        Raises:
            ArtifactNotFound: it has no file of a name.
        """
        if not names:
            return version.artifacts
        found = {artifact.name: artifact for artifact in version.artifacts}
        for name in names:
            if name not in found:
                raise ArtifactNotFound("The model version has no such file.", name=name[:128])
        return tuple(found[name] for name in dict.fromkeys(names))

    def chunks(self, artifact: Artifact) -> Iterator[bytes]:
        """The bytes of a file, verified while they are read."""
        return self._blobs.chunks(artifact.sha256)

    def delete(self, name: str, version: int) -> None:
        """Forget a version; its files go with the next sweep."""
        self._store.delete(checked_name(name), version)
        self._changes.announce()

    def set_alias(self, name: str, alias: str, version: int) -> ModelVersion:
        """Point an alias at a version."""
        changed = self._store.set_alias(checked_name(name), checked_alias(alias), version)
        self._changes.announce()
        return changed

    def delete_alias(self, name: str, alias: str) -> None:
        """Remove an alias."""
        self._store.delete_alias(checked_name(name), checked_alias(alias))
        self._changes.announce()

    def set_operating_points(self, name: str, version: int, text: str) -> ModelVersion:
        """Keep thresholds and calibration of a version under a new revision."""
        manifest = self._store.get(ModelRef(checked_name(name), version)).manifest
        changed = self._store.set_operating_points(name, version, checked_operating_points(text, manifest))
        self._changes.announce()
        return changed

    def lineage(self, ref: ModelRef) -> tuple[LineageStep, ...]:
        """The ancestors of a version, nearest first; one that is not kept here ends the walk by name alone."""
        return tuple(islice(self._ancestors(self.get(ref)), _MOST_ANCESTORS))

    def known_names(self) -> frozenset[str]:
        """Names of all models that were ever published here."""
        return self._store.known_names()

    def sweep(self) -> int:
        """Remove stored files that no version has and nobody is publishing. Gives their number."""
        return self._blobs.sweep(lambda sha256: self._is_pinned(sha256) or self._store.uses(sha256))

    def _add(self, new: NewVersion) -> tuple[ModelVersion, bool]:
        if not all(self._blobs.exists(artifact.sha256) for artifact in new.artifacts):
            raise Unavailable("A file of the model was removed while it was published; publish it again.")
        added = self._store.add(new)
        self._changes.announce()
        return added

    def _check_files(self, manifest: Manifest, artifacts: tuple[Artifact, ...]) -> None:
        by_name = {artifact.name: artifact for artifact in artifacts}
        if MODEL_ONNX not in by_name:
            raise InvalidModel(f"A model has a file '{MODEL_ONNX}'.")
        for name, artifact in by_name.items():
            if name.endswith(".onnx"):
                self._check.published(self._blobs.read(artifact.sha256), manifest)
        if WEIGHTS in by_name:
            _check_safetensors(self._blobs.read(by_name[WEIGHTS].sha256))

    def _ancestors(self, version: ModelVersion) -> Iterator[LineageStep]:
        seen = {version.digest}
        lineage = version.lineage
        while lineage.base_digest or lineage.base_model:
            parent = self._parent(lineage)
            if parent is None:
                yield LineageStep(lineage.base_model, lineage.base_digest)
                return
            if parent.digest in seen:
                return
            seen.add(parent.digest)
            yield LineageStep(str(parent.ref), parent.digest, parent.lineage)
            lineage = parent.lineage

    def _parent(self, lineage: Lineage) -> ModelVersion | None:
        if lineage.base_digest:
            return self._store.find_digest(lineage.base_digest)
        try:
            return self._store.get(ModelRef.parse(lineage.base_model))
        except PrecordiaError:  # its name is all that is known of it
            return None

    @contextmanager
    def _pinned(self, artifacts: tuple[Artifact, ...]) -> Iterator[None]:
        """Files that a sweep leaves alone although no version has them yet."""
        key = object()
        with self._pins_lock:
            self._pins[id(key)] = frozenset(artifact.sha256 for artifact in artifacts)
        try:
            yield
        finally:
            with self._pins_lock:
                del self._pins[id(key)]

    def _is_pinned(self, sha256: str) -> bool:
        with self._pins_lock:
            return any(sha256 in pins for pins in self._pins.values())


def _check_safetensors(content: bytes) -> None:
    """Whether it is a safetensors file: length of the header, then the header as a JSON object."""
    try:
        (length,) = struct.unpack_from("<Q", content)
        if length > min(_LONGEST_HEADER, len(content) - 8) or not isinstance(json.loads(content[8 : 8 + length]), dict):
            raise ValueError
    except (struct.error, ValueError, RecursionError):
        raise InvalidModel(f"'{WEIGHTS}' is no safetensors file.") from None
