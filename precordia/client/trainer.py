"""The trainer service: labelled ECGs to models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from precordia.client.operations import OperationsClient
from precordia.client.peer import Peer, new_request_id
from precordia.operation import Operation
from precordia.rpc.convert.operation import operation_from_proto
from precordia.rpc.convert.training import (
    network_from_proto,
    trainer_status_from_proto,
    training_spec_to_proto,
)
from precordia.training import NetworkInfo, TrainerStatus, TrainingSpec
from precordia.v1 import trainer_pb2 as pb
from precordia.v1 import trainer_pb2_grpc


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
        """
        request = pb.StartTrainingRequest(
            request_id=request_id or new_request_id(),
            name=name,
            spec=training_spec_to_proto(spec),
            aliases=aliases,
        )
        return operation_from_proto((await self._peer.call(self._stub.StartTraining, request)).operation)

    async def networks(self) -> list[NetworkInfo]:
        """Networks that can be trained from scratch here."""
        answer = await self._peer.call(self._stub.ListNetworks, pb.ListNetworksRequest())
        return [network_from_proto(network) for network in answer.networks]

    async def status(self) -> TrainerStatus:
        """What this trainer can do now."""
        return trainer_status_from_proto(
            await self._peer.call(self._stub.GetTrainerStatus, pb.GetTrainerStatusRequest())
        )
