"""Long work over the wire: the same service beside every service that has some."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc

from precordia.operation import Operation
from precordia.operations import Operations
from precordia.rpc.convert.operation import operation_event_to_proto, operation_to_proto
from precordia.rpc.workers import in_worker
from precordia.v1 import operations_pb2 as pb
from precordia.v1 import operations_pb2_grpc

OPERATIONS_SERVICE = pb.DESCRIPTOR.services_by_name["OperationsService"].full_name
"""Full name, for health and reflection."""

_LONGEST_LISTED = 32 << 10  # characters; 1000 of them fit one message

_Context = grpc.aio.ServicerContext[Any, Any]


class OperationsServicer(operations_pb2_grpc.OperationsServiceServicer):
    """Reads, watches and cancels the operations of one service."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    async def GetOperation(  # noqa: N802 - gRPC's spelling
        self, request: pb.GetOperationRequest, context: _Context
    ) -> pb.GetOperationResponse:
        """One operation."""
        operation = await in_worker(self._operations.get, request.operation_id)
        return pb.GetOperationResponse(operation=operation_to_proto(operation))

    async def ListOperations(  # noqa: N802 - gRPC's spelling
        self, request: pb.ListOperationsRequest, context: _Context
    ) -> pb.ListOperationsResponse:
        """One page, newest first."""
        page, token = await in_worker(self._operations.list, request.page_size, request.page_token, request.kind)
        return pb.ListOperationsResponse(operations=map(_listed, page), next_page_token=token)

    async def CancelOperation(  # noqa: N802 - gRPC's spelling
        self, request: pb.CancelOperationRequest, context: _Context
    ) -> pb.CancelOperationResponse:
        """Ask that it end."""
        operation = await in_worker(self._operations.cancel, request.operation_id)
        return pb.CancelOperationResponse(operation=operation_to_proto(operation))

    async def WatchOperation(  # noqa: N802 - gRPC's spelling
        self, request: pb.WatchOperationRequest, context: _Context
    ) -> AsyncIterator[pb.WatchOperationResponse]:
        """Every event after a number, to the last."""
        async for event in self._operations.watch(request.operation_id, request.after_number):
            yield pb.WatchOperationResponse(event=operation_event_to_proto(event))


def _listed(operation: Operation) -> pb.Operation:
    """As in a list: without a request so long that a page of them would fit no message."""
    message = operation_to_proto(operation)
    if len(message.request_json) > _LONGEST_LISTED:
        message.ClearField("request_json")
    return message


def register_operations(server: grpc.aio.Server, operations: Operations) -> None:
    """Serve these operations."""
    add: Any = operations_pb2_grpc.add_OperationsServiceServicer_to_server  # generated without types
    add(OperationsServicer(operations), server)
