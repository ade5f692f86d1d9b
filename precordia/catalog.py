"""Models as the registry keeps them: versions, artifacts, aliases, lineage."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from precordia.errors import InvalidArgument
from precordia.manifest import Manifest
from precordia.record import Remark

LATEST = "latest"
"""The alias every model has without its being set: its highest version that is not quantized."""

_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")
_VERSION = re.compile(r"[1-9][0-9]{0,8}")


def checked_name(name: str, *, field: str = "name") -> str:
    """The name, if it can stand in a reference, a file name and a URL.

    Raises:
        InvalidArgument: it cannot.
    """
    if not _NAME.fullmatch(name):
        raise InvalidArgument(
            "A name begins with a letter or digit and holds letters, digits, '.', '_' and '-', 128 at most.",
            field=field,
        )
    return name


@dataclass(frozen=True)
class ModelRef:
    """A model by name and, at most, one of version or alias. Neither means the latest version."""

    name: str
    version: int = 0
    alias: str = ""

    @staticmethod
    def parse(text: str) -> ModelRef:
        """From `NAME`, `NAME:VERSION` or `NAME@ALIAS`.

        Raises:
            InvalidArgument: it is none of these.
        """
        name, colon, version = text.partition(":")
        if colon:
            if not _VERSION.fullmatch(version):
                raise InvalidArgument("A version is a number from 1: NAME:VERSION or NAME@ALIAS.", field="model")
            return ModelRef(checked_name(name, field="model"), int(version))
        name, _, alias = text.partition("@")
        return ModelRef(checked_name(name, field="model"), alias=alias)

    def __str__(self) -> str:
        if self.version:
            return f"{self.name}:{self.version}"
        return f"{self.name}@{self.alias}" if self.alias else self.name


@dataclass(frozen=True)
class Artifact:
    """One file of a model version."""

    name: str
    sha256: str
    size_bytes: int


MODEL_ONNX = "model.onnx"
WEIGHTS = "weights.safetensors"
BASE_GRAPH = "base.graph"
"""The ONNX file, as it was imported, that the weights of a fine-tuned foreign graph belong to."""
REPORT = "report.json"
REPORT_HTML = "report.html"
MODEL_CARD = "model_card.md"
OPERATING_POINTS = "operating_points.json"
"""Not a file of a version: what the registry keeps beside it, in exports."""


@dataclass(frozen=True)
class Lineage:
    """Where a version came from. `origin`: imported, trained, finetuned, quantized, shipped."""

    origin: str
    base_model: str = ""
    base_digest: str = ""
    dataset: str = ""
    snapshot_digest: str = ""
    training_job: str = ""
    details_json: str = ""


@dataclass(frozen=True)
class ModelVersion:
    """One immutable version of a model."""

    name: str
    version: int
    digest: str
    manifest: Manifest
    artifacts: tuple[Artifact, ...]
    lineage: Lineage
    aliases: tuple[str, ...] = ()
    created_at: datetime | None = None
    remarks: tuple[Remark, ...] = ()
    operating_points_revision: int = 0
    operating_points_json: str = ""

    @property
    def ref(self) -> ModelRef:
        """This very version."""
        return ModelRef(self.name, self.version)

    def artifact(self, name: str) -> Artifact | None:
        """The file of this name, if there is one."""
        return next((artifact for artifact in self.artifacts if artifact.name == name), None)


class ModelChange(Enum):
    """What happened to a model."""

    VERSION_PUBLISHED = "version_published"
    VERSION_DELETED = "version_deleted"
    ALIAS_SET = "alias_set"
    ALIAS_DELETED = "alias_deleted"
    OPERATING_POINTS_SET = "operating_points_set"


@dataclass(frozen=True)
class ModelEvent:
    """One numbered change in the registry."""

    number: int
    change: ModelChange
    name: str
    version: int = 0
    alias: str = ""


@dataclass(frozen=True)
class LineageStep:
    """One ancestor of a model."""

    model: str
    digest: str
    lineage: Lineage = field(default_factory=lambda: Lineage(""))
