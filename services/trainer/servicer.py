"""The edge: messages in, messages out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc

from precordia.catalog import Artifact
from precordia.errors import InvalidArgument
from precordia.rpc.convert.model import model_version_to_proto
from precordia.rpc.convert.operation import operation_to_proto
from precordia.rpc.convert.training import (
    network_to_proto,
    trainer_status_to_proto,
    training_spec_from_proto,
    weights_contract_from_proto,
)
from precordia.rpc.workers import in_worker
from precordia.v1 import trainer_pb2 as pb
from precordia.v1 import trainer_pb2_grpc
from services.trainer.planning.spec_json import TrainingRequest
from services.trainer.trainer import Trainer
from services.trainer.weights.upload import WeightsOrder

TRAINER_SERVICE = pb.DESCRIPTOR.services_by_name["TrainerService"].full_name
"""Full name, for health and reflection."""

_Context = grpc.aio.ServicerContext[Any, Any]


class TrainerServicer(trainer_pb2_grpc.TrainerServiceServicer):
    """Decode, call, encode."""

    def __init__(self, trainer: Trainer) -> None:
        self._trainer = trainer

    async def StartTraining(  # noqa: N802 - gRPC's spelling
        self, request: pb.StartTrainingRequest, context: _Context
    ) -> pb.StartTrainingResponse:
        """A training job as an operation."""
        wanted = TrainingRequest(request.name, training_spec_from_proto(request.spec), tuple(request.aliases))
        operation = await self._trainer.start(wanted, request.request_id)
        return pb.StartTrainingResponse(operation=operation_to_proto(operation))

    async def ImportWeights(  # noqa: N802 - gRPC's spelling
        self, requests: AsyncIterator[pb.ImportWeightsRequest], context: _Context
    ) -> pb.ImportWeightsResponse:
        """A network's weights as a published model."""
        with self._trainer.weights() as upload:
            async for request in requests:
                await in_worker(upload.take, _weights_part(request))
            version, created = await self._trainer.publish_weights(upload)
        return pb.ImportWeightsResponse(model_version=model_version_to_proto(version), created=created)

    async def ListNetworks(  # noqa: N802 - gRPC's spelling
        self, request: pb.ListNetworksRequest, context: _Context
    ) -> pb.ListNetworksResponse:
        """What can be trained from scratch."""
        found = await in_worker(self._trainer.networks)
        return pb.ListNetworksResponse(networks=map(network_to_proto, found))

    async def GetTrainerStatus(  # noqa: N802 - gRPC's spelling
        self, request: pb.GetTrainerStatusRequest, context: _Context
    ) -> pb.GetTrainerStatusResponse:
        """What this trainer can do and what it does."""
        return trainer_status_to_proto(await in_worker(self._trainer.status))


def _weights_part(request: pb.ImportWeightsRequest) -> WeightsOrder | bytes:
    match request.WhichOneof("part"):
        case "header":
            header = request.header
            file = Artifact(header.file.name, header.file.sha256, header.file.size_bytes)
            contract = weights_contract_from_proto(header)
            return WeightsOrder(header.name, contract, file, tuple(header.aliases), header.request_id)
        case "chunk":
            return request.chunk
        case _:
            raise InvalidArgument("A message of the stream is empty.", field="part")


def register_trainer(server: grpc.aio.Server, trainer: Trainer) -> None:
    """Serve the trainer."""
    add: Any = trainer_pb2_grpc.add_TrainerServiceServicer_to_server  # generated without types
    add(TrainerServicer(trainer), server)
