"""Long work of a service: look, follow, wait, call off."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from precordia.client.peer import Peer, following
from precordia.errors import ServiceUnavailable
from precordia.operation import Operation, OperationEvent
from precordia.rpc.convert.operation import operation_event_from_proto, operation_from_proto
from precordia.v1 import operations_pb2 as pb
from precordia.v1 import operations_pb2_grpc

_PAGE = 200


class OperationsClient:
    """Operations of one service."""

    def __init__(self, peer: Peer, *, patience_s: float = 300.0) -> None:
        """`patience_s`: how long the service may be away while its work is followed."""
        self._peer = peer
        self._patience_s = patience_s

    @property
    def _stub(self) -> Any:
        return self._peer.stub(operations_pb2_grpc.OperationsServiceStub)

    async def get(self, operation_id: str) -> Operation:
        """An operation as it stands.

        Raises:
            OperationNotFound: no operation has this id.
        """
        request = pb.GetOperationRequest(operation_id=operation_id)
        return operation_from_proto((await self._peer.call(self._stub.GetOperation, request)).operation)

    async def list(self, kind: str = "") -> list[Operation]:
        """All operations of a kind (empty = of every kind), newest first."""
        found: list[Operation] = []
        token = ""
        while True:
            request = pb.ListOperationsRequest(page_size=_PAGE, page_token=token, kind=kind)
            answer = await self._peer.call(self._stub.ListOperations, request)
            found += [operation_from_proto(operation) for operation in answer.operations]
            token = answer.next_page_token
            if not token:
                return found

    async def cancel(self, operation_id: str) -> Operation:
        """Ask for cancellation; the work stops at its next safe point."""
        request = pb.CancelOperationRequest(operation_id=operation_id)
        return operation_from_proto((await self._peer.call(self._stub.CancelOperation, request)).operation)

    async def watch(self, operation_id: str, after: int = 0) -> AsyncIterator[OperationEvent]:
        """Every event after a number, then new ones as they happen, until the work is finished.

        A service that goes away and comes back is taken up again where it was left.

        Raises:
            ServiceUnavailable: it stayed away too long.
            OperationNotFound: no operation has this id.
        """

        async def opened(number: int) -> AsyncIterator[OperationEvent]:
            request = pb.WatchOperationRequest(operation_id=operation_id, after_number=number)
            async for message in self._peer.stream(self._stub.WatchOperation, request, timeout_s=None):
                yield operation_event_from_proto(message.event)
            if not (await self.get(operation_id)).state.finished:
                raise ServiceUnavailable("The stream of events ended before the work did.")

        async for event in following(opened, after, patience_s=self._patience_s):
            yield event

    async def wait(self, operation_id: str) -> Operation:
        """The operation once it is finished, in whatever way."""
        async for _ in self.watch(operation_id, (await self.get(operation_id)).last_event_number):
            pass
        return await self.get(operation_id)
