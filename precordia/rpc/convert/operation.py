"""Operations and their events."""

from __future__ import annotations

from precordia.operation import Operation, OperationEvent, OperationState
from precordia.rpc.convert.json_objects import object_from_text, object_to_text
from precordia.rpc.convert.timestamps import time_from_proto, time_to_proto
from precordia.v1 import operations_pb2

_STATES: dict[OperationState, operations_pb2.OperationState] = {
    OperationState.PENDING: operations_pb2.OPERATION_STATE_PENDING,
    OperationState.RUNNING: operations_pb2.OPERATION_STATE_RUNNING,
    OperationState.SUCCEEDED: operations_pb2.OPERATION_STATE_SUCCEEDED,
    OperationState.FAILED: operations_pb2.OPERATION_STATE_FAILED,
    OperationState.CANCELLED: operations_pb2.OPERATION_STATE_CANCELLED,
}
_STATES_BACK = {number: state for state, number in _STATES.items()}


def operation_to_proto(operation: Operation) -> operations_pb2.Operation:
    """An operation as it stands."""
    return operations_pb2.Operation(
        operation_id=operation.operation_id,
        kind=operation.kind,
        state=_STATES[operation.state],
        request_json=object_to_text(operation.request),
        result_json=object_to_text(operation.result),
        error_reason=operation.error_reason,
        error_message=operation.error_message,
        created_at=time_to_proto(operation.created_at),
        updated_at=time_to_proto(operation.updated_at),
        last_event_number=operation.last_event_number,
        attempt=operation.attempt,
        done=operation.done,
        total=operation.total,
    )


def operation_from_proto(message: operations_pb2.Operation) -> Operation:
    """An operation; a state that is not known here counts as running."""
    return Operation(
        operation_id=message.operation_id,
        kind=message.kind,
        state=_STATES_BACK.get(message.state, OperationState.RUNNING),
        request=object_from_text(message.request_json, field="request_json"),
        result=object_from_text(message.result_json, field="result_json"),
        error_reason=message.error_reason,
        error_message=message.error_message,
        created_at=time_from_proto(message, "created_at"),
        updated_at=time_from_proto(message, "updated_at"),
        last_event_number=message.last_event_number,
        attempt=message.attempt,
        done=message.done,
        total=message.total,
    )


def operation_event_to_proto(event: OperationEvent) -> operations_pb2.OperationEvent:
    """One numbered event."""
    return operations_pb2.OperationEvent(
        number=event.number, at=time_to_proto(event.at), kind=event.kind, payload_json=object_to_text(event.payload)
    )


def operation_event_from_proto(message: operations_pb2.OperationEvent) -> OperationEvent:
    """One numbered event."""
    return OperationEvent(
        number=message.number,
        kind=message.kind,
        payload=object_from_text(message.payload_json, field="payload_json"),
        at=time_from_proto(message, "at"),
    )
