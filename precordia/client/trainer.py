"""The trainer service: labelled ECGs to models."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

from precordia.catalog import ModelVersion
from precordia.client.operations import OperationsClient
from precordia.client.peer import LONG_CALL_S, Peer, new_request_id
from precordia.client.uploads import Content, chunks, measure
from precordia.errors import Overloaded
from precordia.operation import Operation
from precordia.rpc.convert.model import model_version_from_proto
from precordia.rpc.convert.operation import operation_from_proto
from precordia.rpc.convert.training import (
    network_from_proto,
    trainer_status_from_proto,
    training_spec_to_proto,
    weights_contract_to_proto,
)
from precordia.training import NetworkInfo, TrainerStatus, TrainingSpec, WeightsContract
from precordia.v1 import registry_pb2, trainer_pb2_grpc
from precordia.v1 import trainer_pb2 as pb

_STARTING_S = 300.0
"""How long a trainer that is still starting is asked again."""


class TrainerClient:
    """Training jobs; `operations` follows them."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self.operations = OperationsClient(peer)

    @property
    def _stub(self) -> Any:
        return self._peer.stub(trainer_pb2_grpc.TrainerServiceStub)

    async def train(
        self, name: str, spec: TrainingSpec, aliases: Sequence[str] = (), request_id: str = ""
    ) -> Operation:
        """Start a training job; its model is published under `name`.

        Raises:
            InvalidTrainingSpec: the run cannot be made.
            MissingDependency: the trainer cannot train; the message says what to install.
            Overloaded: as many jobs wait as may, or the trainer is still starting after minutes.
        """
        request = pb.StartTrainingRequest(
            request_id=request_id or new_request_id(),
            name=name,
            spec=training_spec_to_proto(spec),
            aliases=aliases,
        )
        answer = await _once_started(lambda: self._peer.call(self._stub.StartTraining, request))
        return operation_from_proto(answer.operation)

    async def import_weights(
        self,
        name: str,
        content: Content,
        contract: WeightsContract,
        file_name: str = "weights.pth",
        aliases: Sequence[str] = (),
        request_id: str = "",
    ) -> tuple[ModelVersion, bool]:
        """Publish a network's weights (`.pt`, `.pth`, `.safetensors`) as a model that can be served and fine-tuned.

        The ending of `file_name` says how they are read: as tensors alone, never as Python objects.

        Raises:
            NetworkNotFound: there is no such network.
            InvalidModel: these are not its weights, or what they mean is not known; the message says what to give.
            MissingDependency: the trainer cannot convert; the message says what to install.
            Overloaded: the trainer is still starting after minutes.
        """
        header = weights_contract_to_proto(contract)
        size_bytes, sha256 = await measure(content)
        header.request_id, header.name = request_id or new_request_id(), name
        header.file.CopyFrom(registry_pb2.ArtifactHeader(name=file_name, size_bytes=size_bytes, sha256=sha256))
        header.aliases.extend(aliases)

        async def parts() -> AsyncIterator[pb.ImportWeightsRequest]:
            yield pb.ImportWeightsRequest(header=header)
            async for chunk in chunks(content):
                yield pb.ImportWeightsRequest(chunk=chunk)

        answer = await _once_started(lambda: self._peer.call(self._stub.ImportWeights, parts(), timeout_s=LONG_CALL_S))
        return model_version_from_proto(answer.model_version), answer.created

    async def networks(self) -> list[NetworkInfo]:
        """Networks that can be trained from scratch here."""
        answer = await self._peer.call(self._stub.ListNetworks, pb.ListNetworksRequest())
        return [network_from_proto(network) for network in answer.networks]

    async def status(self) -> TrainerStatus:
        """What this trainer can do now."""
        return trainer_status_from_proto(
            await self._peer.call(self._stub.GetTrainerStatus, pb.GetTrainerStatusRequest())
        )


async def _once_started(call: Callable[[], Awaitable[Any]]) -> Any:
    """A call's answer; where the trainer says that it is still starting, the call is made again when it says so.

    The calls carry request ids, so that one that arrived twice is one.
    """
    until = time.monotonic() + _STARTING_S
    while True:
        try:
            return await call()
        except Overloaded as error:
            if "starting" not in error.details or time.monotonic() + error.retry_after_s > until:
                raise
            await asyncio.sleep(error.retry_after_s)
