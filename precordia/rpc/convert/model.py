"""Model references, versions, lineage and changes."""

from __future__ import annotations

from precordia.catalog import (
    Artifact,
    Lineage,
    LineageStep,
    ModelChange,
    ModelEvent,
    ModelRef,
    ModelVersion,
    checked_name,
)
from precordia.errors import InvalidArgument
from precordia.manifest import Manifest
from precordia.rpc.convert.signal import remarks_from_proto, remarks_to_proto
from precordia.rpc.convert.timestamps import time_from_proto, time_to_proto
from precordia.v1 import registry_pb2, types_pb2

_CHANGES: dict[ModelChange, registry_pb2.ModelChange] = {
    ModelChange.VERSION_PUBLISHED: registry_pb2.MODEL_CHANGE_VERSION_PUBLISHED,
    ModelChange.VERSION_DELETED: registry_pb2.MODEL_CHANGE_VERSION_DELETED,
    ModelChange.ALIAS_SET: registry_pb2.MODEL_CHANGE_ALIAS_SET,
    ModelChange.ALIAS_DELETED: registry_pb2.MODEL_CHANGE_ALIAS_DELETED,
    ModelChange.OPERATING_POINTS_SET: registry_pb2.MODEL_CHANGE_OPERATING_POINTS_SET,
}
_CHANGES_BACK = {number: change for change, number in _CHANGES.items()}


def model_ref_to_proto(ref: ModelRef) -> types_pb2.ModelRef:
    """A model by name and, at most, one of version or alias."""
    if ref.version:
        return types_pb2.ModelRef(name=ref.name, version=ref.version)
    if ref.alias:
        return types_pb2.ModelRef(name=ref.name, alias=ref.alias)
    return types_pb2.ModelRef(name=ref.name)


def model_ref_from_proto(message: types_pb2.ModelRef) -> ModelRef:
    """A model by name and, at most, one of version or alias.

    Raises:
        InvalidArgument: the name is empty or no name.
    """
    return ModelRef(checked_name(message.name, field="model.name"), message.version, message.alias)


def lineage_to_proto(lineage: Lineage) -> registry_pb2.Lineage:
    """Where a version came from."""
    return registry_pb2.Lineage(
        origin=lineage.origin,
        base_model=lineage.base_model,
        base_digest=lineage.base_digest,
        dataset=lineage.dataset,
        snapshot_digest=lineage.snapshot_digest,
        training_job=lineage.training_job,
        details_json=lineage.details_json,
    )


def lineage_from_proto(message: registry_pb2.Lineage) -> Lineage:
    """Where a version came from."""
    return Lineage(
        origin=message.origin,
        base_model=message.base_model,
        base_digest=message.base_digest,
        dataset=message.dataset,
        snapshot_digest=message.snapshot_digest,
        training_job=message.training_job,
        details_json=message.details_json,
    )


def artifact_to_proto(artifact: Artifact) -> registry_pb2.Artifact:
    """One file of a version."""
    return registry_pb2.Artifact(name=artifact.name, sha256=artifact.sha256, size_bytes=artifact.size_bytes)


def artifact_from_proto(message: registry_pb2.Artifact) -> Artifact:
    """One file of a version."""
    return Artifact(message.name, message.sha256, message.size_bytes)


def model_version_to_proto(version: ModelVersion) -> registry_pb2.ModelVersion:
    """A version; its manifest as canonical JSON."""
    return registry_pb2.ModelVersion(
        name=version.name,
        version=version.version,
        digest=version.digest,
        manifest_json=version.manifest.canonical(),
        artifacts=[artifact_to_proto(artifact) for artifact in version.artifacts],
        aliases=version.aliases,
        lineage=lineage_to_proto(version.lineage),
        created_at=time_to_proto(version.created_at),
        warnings=remarks_to_proto(version.remarks),
        operating_points_revision=version.operating_points_revision,
        operating_points_json=version.operating_points_json,
    )


def model_version_from_proto(message: registry_pb2.ModelVersion) -> ModelVersion:
    """A version.

    Raises:
        InvalidManifest, UnknownStep, UnknownLead: its manifest asks for what is not known here.
    """
    return ModelVersion(
        name=message.name,
        version=message.version,
        digest=message.digest,
        manifest=Manifest.parse(message.manifest_json),
        artifacts=tuple(artifact_from_proto(artifact) for artifact in message.artifacts),
        lineage=lineage_from_proto(message.lineage),
        aliases=tuple(message.aliases),
        created_at=time_from_proto(message, "created_at"),
        remarks=remarks_from_proto(message.warnings),
        operating_points_revision=message.operating_points_revision,
        operating_points_json=message.operating_points_json,
    )


def lineage_step_to_proto(step: LineageStep) -> registry_pb2.LineageStep:
    """One ancestor."""
    return registry_pb2.LineageStep(model=step.model, digest=step.digest, lineage=lineage_to_proto(step.lineage))


def lineage_step_from_proto(message: registry_pb2.LineageStep) -> LineageStep:
    """One ancestor."""
    return LineageStep(message.model, message.digest, lineage_from_proto(message.lineage))


def model_event_to_proto(event: ModelEvent) -> registry_pb2.WatchModelsResponse:
    """One numbered change."""
    return registry_pb2.WatchModelsResponse(
        number=event.number,
        change=_CHANGES[event.change],
        name=event.name,
        version=event.version,
        alias=event.alias,
    )


def model_event_from_proto(message: registry_pb2.WatchModelsResponse) -> ModelEvent:
    """One numbered change.

    Raises:
        InvalidArgument: a kind of change that is not known here.
    """
    if message.change not in _CHANGES_BACK:
        raise InvalidArgument("This kind of model change is not known here.", field="change")
    return ModelEvent(message.number, _CHANGES_BACK[message.change], message.name, message.version, message.alias)
