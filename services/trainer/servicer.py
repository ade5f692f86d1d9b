"""The edge: messages in, messages out."""

from __future__ import annotations

from typing import Any

import grpc

from precordia.rpc.convert.operation import operation_to_proto
from precordia.rpc.convert.training import network_to_proto, trainer_status_to_proto, training_spec_from_proto
from precordia.rpc.workers import in_worker
from precordia.v1 import trainer_pb2 as pb
from precordia.v1 import trainer_pb2_grpc
from services.trainer.spec_json import TrainingRequest
from services.trainer.trainer import Trainer

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


def register_trainer(server: grpc.aio.Server, trainer: Trainer) -> None:
    """Serve the trainer."""
    add: Any = trainer_pb2_grpc.add_TrainerServiceServicer_to_server  # generated without types
    add(TrainerServicer(trainer), server)
