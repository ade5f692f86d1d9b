"""Errors on the wire and back: one table from error class to status code, one fixed table back."""

from __future__ import annotations

from typing import Any

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError, Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc import RpcError, StatusCode

from precordia import errors
from precordia.errors import PrecordiaError, by_reason

DOMAIN = "precordia"
"""ErrorInfo.domain of every error of ours."""

DETAILS_KEY = "grpc-status-details-bin"
"""Trailer that carries google.rpc.Status, by gRPC's convention."""

_TEXT_LIMIT = 1000  # of one detail: trailers must stay small
_DETAILS_LIMIT = 16

# A class not listed has its parent's code.
CODES: dict[type[PrecordiaError], StatusCode] = {
    errors.InvalidInput: StatusCode.INVALID_ARGUMENT,
    errors.NotFound: StatusCode.NOT_FOUND,
    errors.Conflict: StatusCode.ABORTED,
    errors.AlreadyExists: StatusCode.ALREADY_EXISTS,
    errors.InUse: StatusCode.FAILED_PRECONDITION,
    errors.RequestReused: StatusCode.ALREADY_EXISTS,
    errors.FailedPrecondition: StatusCode.FAILED_PRECONDITION,
    errors.Unavailable: StatusCode.UNAVAILABLE,
    errors.Overloaded: StatusCode.RESOURCE_EXHAUSTED,
    errors.StorageFull: StatusCode.RESOURCE_EXHAUSTED,
    errors.DeadlineExceeded: StatusCode.DEADLINE_EXCEEDED,
    errors.Cancelled: StatusCode.CANCELLED,
    errors.Unauthenticated: StatusCode.UNAUTHENTICATED,
    errors.InternalError: StatusCode.INTERNAL,
    PrecordiaError: StatusCode.UNKNOWN,
}

# What a bare status means, where no detail of ours came with it: a proxy, or gRPC itself, spoke.
_BARE: dict[StatusCode, tuple[type[PrecordiaError], str]] = {
    StatusCode.UNAVAILABLE: (errors.ServiceUnavailable, "The service cannot be reached; is it running?"),
    StatusCode.DEADLINE_EXCEEDED: (errors.DeadlineExceeded, "The service did not answer in time."),
    StatusCode.CANCELLED: (errors.Cancelled, "The call was cancelled."),
    StatusCode.UNAUTHENTICATED: (errors.Unauthenticated, "The service wants a valid token."),
    StatusCode.PERMISSION_DENIED: (errors.Unauthenticated, "The service refuses this caller."),
    StatusCode.RESOURCE_EXHAUSTED: (errors.Overloaded, "Too much at once; try again."),
    StatusCode.UNIMPLEMENTED: (errors.FailedPrecondition, "The service does not have this call; is it older?"),
    StatusCode.NOT_FOUND: (errors.NotFound, "Not found."),
    StatusCode.INVALID_ARGUMENT: (errors.InvalidInput, "The request was refused as invalid."),
    StatusCode.OUT_OF_RANGE: (errors.InvalidInput, "The request was refused as out of range."),
    StatusCode.ALREADY_EXISTS: (errors.AlreadyExists, "It is there already."),
    StatusCode.FAILED_PRECONDITION: (errors.FailedPrecondition, "The service is not in a state to do this."),
    StatusCode.ABORTED: (errors.Conflict, "Refused by the present state; try again."),
}

_TOO_LONG = "larger than max"
"""What gRPC says, on either side, of a message beyond its limit: the same status as of an overload."""


def code_of(error: PrecordiaError) -> StatusCode:
    """The status code of an error, by its class or the nearest parent in the table."""
    return next(CODES[kind] for kind in type(error).__mro__ if kind in CODES)


def to_status(error: PrecordiaError) -> Status:
    """An error as google.rpc.Status: ErrorInfo always, BadRequest with a field, RetryInfo when overloaded."""
    details = dict(list(error.details.items())[:_DETAILS_LIMIT])
    short = {name: _text(value) for name, value in details.items()}
    parts: list[Message] = [ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=short)]
    message = _text(error.message)
    if error.field:
        violation = BadRequest.FieldViolation(field=_text(error.field), description=message)
        parts.append(BadRequest(field_violations=[violation]))
    if isinstance(error, errors.Overloaded):
        parts.append(RetryInfo(retry_delay=_duration(error.retry_after_s)))
    return Status(code=code_of(error).value[0], message=message, details=[_packed(part) for part in parts])


def from_status(status: Status) -> PrecordiaError | None:
    """The error that to_status was given; None where the status is not one of ours."""
    for part in status.details:
        info = ErrorInfo()
        if part.Is(ErrorInfo.DESCRIPTOR) and part.Unpack(info) and info.domain == DOMAIN:
            error = by_reason().get(info.reason, PrecordiaError)(status.message)
            error.details = dict(info.metadata)
            return error
    return None


def from_rpc_error(error: RpcError) -> PrecordiaError:
    """What a failed call means, as an error of ours."""
    ours = _carried(error)
    if ours is not None:
        return ours
    code = error.code() if hasattr(error, "code") else StatusCode.UNKNOWN
    if code is StatusCode.RESOURCE_EXHAUSTED and _TOO_LONG in (error.details() or ""):
        return errors.TooLarge("One message holds 64 MiB at most; send less in one call, or import it and name it.")
    kind, message = _BARE.get(code, (errors.InternalError, "The service failed; its log has the cause."))
    return kind(message)


def _carried(error: RpcError) -> PrecordiaError | None:
    metadata: Any = error.trailing_metadata() if hasattr(error, "trailing_metadata") else None
    for key, value in metadata or ():
        if key == DETAILS_KEY and isinstance(value, bytes):
            try:
                return from_status(Status.FromString(value))
            except DecodeError:
                return None
    return None


def _text(value: str) -> str:
    """Short, and such that a message can carry it: half a surrogate pair becomes a question mark."""
    return value[:_TEXT_LIMIT].encode(errors="replace").decode()


def _packed(message: Message) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(message)
    return packed


def _duration(seconds: float) -> Duration:
    duration = Duration()
    duration.FromNanoseconds(int(seconds * 1e9))
    return duration
