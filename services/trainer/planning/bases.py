"""Bases: what a run starts from, pinned to one version of one model before anything else is done.

A base is a network's name (fresh weights) or a model of the registry. A model whose weights lie in a
safetensors file that names a network known here is native: it is built here and takes its weights.
Any other is a graph, converted from its ONNX file. Importing this imports no torch.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from precordia.catalog import BASE_GRAPH, MODEL_ONNX, WEIGHTS, ModelRef, ModelVersion
from precordia.client import Connection
from precordia.errors import InvalidTrainingSpec, ModelNotFound, NetworkNotFound
from precordia.manifest import Manifest
from precordia.models.networks import Network, networks
from precordia.training import Method, TrainingSpec

_LONGEST_HEADER = 16 << 20
_FIRST_BYTES = 1 << 20
AUTO = "auto"
"""The base of a request that leaves the choice of network to a search."""
ARCHITECTURE = "architecture"
"""Key of the safetensors header under which a weights file names its network, as JSON."""


@dataclass(frozen=True)
class PinnedBase:
    """One version of a model, and what of it a run needs.

    Attributes:
        network: that the weights belong to; empty = a graph of another make.
        files: SHA-256 of the version's files that are needed, by name.
        contract: the version's manifest.
    """

    model: str
    version: int
    digest: str
    network: str
    files: Mapping[str, str]
    contract: Manifest

    @property
    def ref(self) -> ModelRef:
        """What to ask the registry for."""
        return ModelRef(self.model, self.version)

    def to_json(self) -> dict[str, Any]:
        """As a JSON object; the inverse of `from_json`."""
        return vars(self) | {"files": dict(self.files), "contract": self.contract.to_json()}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> PinnedBase:
        """From a JSON object."""
        return PinnedBase(
            str(value["model"]),
            int(value["version"]),
            str(value["digest"]),
            str(value["network"]),
            dict(value["files"]),
            Manifest.from_json(value["contract"]),
        )


def known_network(name: str) -> Network | None:
    """The network of this name, in any case."""
    return next((found for known, found in networks().items() if known.lower() == name.lower()), None)


def is_auto(spec: TrainingSpec) -> bool:
    """Whether a search is to choose the network."""
    return spec.base.lower() == AUTO


async def pin_base(precordia: Connection, spec: TrainingSpec) -> PinnedBase | None:
    """The model version that a request's base means now; None where it means a network.

    From scratch, a network's name comes first. For the other methods a model of this name does, and
    a network is what is left: its weights are fresh ones.

    Raises:
        NetworkNotFound: the name is neither a network's nor a model's.
        ModelNotFound, AliasNotFound, InvalidArgument: the reference names nothing.
    """
    is_network = known_network(spec.base) is not None
    if spec.method is Method.SCRATCH and (is_network or is_auto(spec)):
        return None
    ref = ModelRef.parse(spec.base)
    try:
        version = await precordia.registry.get(ref)
    except ModelNotFound:
        if is_network:
            return None
        if ref.version or ref.alias:
            raise
        raise _nothing(spec.base) from None
    return await _pinned(precordia, version)


def _nothing(base: str) -> NetworkNotFound:
    known = ", ".join(sorted(networks()))
    return NetworkNotFound(
        f"'{base[:64]}' is no network here, and the registry has no such model. Networks are {known}; "
        "`precordia models` lists the models.",
        name=base[:64],
    )


async def _pinned(precordia: Connection, version: ModelVersion) -> PinnedBase:
    name = await _network_of(precordia, version)
    if name:
        needed = [WEIGHTS]
    elif version.artifact(BASE_GRAPH) and version.artifact(WEIGHTS):
        needed = [BASE_GRAPH, WEIGHTS]
    else:
        needed = [MODEL_ONNX]
    files = {file: found.sha256 for file in needed if (found := version.artifact(file)) is not None}
    return PinnedBase(version.name, version.version, version.digest, name, files, version.manifest)


async def _network_of(precordia: Connection, version: ModelVersion) -> str:
    """Name of the network that the version's weights say they belong to; empty where none here is it."""
    if version.artifact(WEIGHTS) is None:
        return ""
    begun = await precordia.registry.beginning(version.ref, WEIGHTS, _FIRST_BYTES)
    (length,) = struct.unpack_from("<Q", begun.ljust(8, b"\0"))
    if len(begun) < 8 + length <= _LONGEST_HEADER:
        begun = await precordia.registry.beginning(version.ref, WEIGHTS, 8 + length)
    found = known_network(str(architecture_of(begun).get("network", "")))
    return found.info.name if found else ""


def architecture_of(weights: bytes) -> dict[str, Any]:
    """What the header of a safetensors file says of the architecture; empty where it says nothing."""
    try:
        (length,) = struct.unpack_from("<Q", weights)
        header = json.loads(weights[8 : 8 + min(length, _LONGEST_HEADER)])
        said = json.loads(header["__metadata__"][ARCHITECTURE])
    except (struct.error, ValueError, KeyError, TypeError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def check_base(spec: TrainingSpec, base: PinnedBase | None) -> None:
    """Refuse a base and a method that do not go together.

    Raises:
        InvalidTrainingSpec: the message says what would.
        NetworkNotFound: without a model, the base has to be a network.
    """
    if base is None and is_auto(spec) and spec.method is Method.SCRATCH:
        return
    if base is None:
        kind = known_network(spec.base)
        if kind is None:
            raise _nothing(spec.base)
        if spec.method is Method.HEAD:
            raise InvalidTrainingSpec(
                f"{kind.info.name} is a network without trained weights: its head alone would learn from random "
                "features. Train it from scratch, or name a model as the base.",
                field="method",
            )
        return
    if spec.method is Method.SCRATCH and not base.network:
        raise InvalidTrainingSpec(
            f"The architecture of {base.ref} is no network here, so it cannot be trained from scratch. Fine-tune it "
            "(method all or head), or name a network as the base.",
            field="base",
        )
