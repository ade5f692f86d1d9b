"""Every error crosses the wire and is the same error on the other side."""

from __future__ import annotations

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from google.rpc.status_pb2 import Status
from grpc import StatusCode

from precordia import errors
from precordia.errors import PrecordiaError, by_reason
from precordia.rpc.status import CODES, DETAILS_KEY, code_of, from_rpc_error, from_status, to_status
from tests.precordia.rpc.echo import say

ARITIES = ["UnaryUnary", "UnaryStream", "StreamUnary", "StreamStream"]


def test_the_table_covers_every_error() -> None:
    for error in by_reason().values():
        listed = [kind for kind in error.__mro__ if kind in CODES]
        assert error is PrecordiaError or listed[0] is not PrecordiaError, f"{error.__name__} has no status code"


def test_reasons_are_unique() -> None:
    classes = [value for value in vars(errors).values() if isinstance(value, type)]
    ours = [kind for kind in classes if issubclass(kind, PrecordiaError)]
    assert {kind.reason: kind for kind in ours} == by_reason()
    assert len(ours) == len(by_reason())


@pytest.mark.parametrize("arity", ARITIES)
@pytest.mark.parametrize("reason", sorted(by_reason()))
async def test_every_error_makes_the_round_trip(channel: grpc.aio.Channel, reason: str, arity: str) -> None:
    with pytest.raises(grpc.RpcError) as failed:
        await say(channel, arity, f"fail {reason}")
    error = from_rpc_error(failed.value)
    assert type(error) is by_reason()[reason]
    assert error.message == "do this instead"
    assert error.field == "leads"
    assert error.details["retry_after_s"] == "2.5"
    assert failed.value.code() is code_of(error)


def parts(error: PrecordiaError) -> Status:
    return Status.FromString(to_status(error).SerializeToString())


def test_a_field_becomes_a_bad_request_and_overload_says_when_to_come_back() -> None:
    bad, retry = BadRequest(), RetryInfo()
    assert parts(errors.InvalidArgument("no such lead", field="hints.leads")).details[1].Unpack(bad)
    assert bad.field_violations[0].field == "hints.leads"
    assert parts(errors.Overloaded("full", retry_after_s=0.25)).details[1].Unpack(retry)
    assert retry.retry_delay.ToMilliseconds() == 250


def test_long_texts_are_cut_so_that_trailers_stay_small() -> None:
    status = to_status(errors.InvalidArgument("m" * 10_000, **{f"d{index}": "x" * 10_000 for index in range(50)}))
    assert status.ByteSize() < 20_000
    carried = from_status(status)
    assert carried is not None
    assert carried.message == "m" * 1000


def test_a_reason_from_a_newer_service_is_still_an_error() -> None:
    status = to_status(errors.NotFound("gone"))
    status.details[0].value = status.details[0].value.replace(b"NOT_FOUND", b"NEW_ERROR")
    error = from_status(status)
    assert type(error) is PrecordiaError
    assert error.message == "gone"


class Bare(grpc.RpcError):
    """What gRPC itself or a proxy answers."""

    def __init__(self, code: StatusCode, trailers: tuple[tuple[str, bytes], ...] = (), details: str = "") -> None:
        self._code, self._trailers, self._details = code, trailers, details

    def details(self) -> str:
        return self._details

    def code(self) -> StatusCode:
        return self._code

    def trailing_metadata(self) -> tuple[tuple[str, bytes], ...]:
        return self._trailers


@pytest.mark.parametrize("code", list(StatusCode))
def test_every_bare_status_means_something(code: StatusCode) -> None:
    error = from_rpc_error(Bare(code))
    assert isinstance(error, PrecordiaError)
    assert error.message


def test_a_bare_status_keeps_its_kind() -> None:
    assert type(from_rpc_error(Bare(StatusCode.UNAVAILABLE))) is errors.ServiceUnavailable
    assert type(from_rpc_error(Bare(StatusCode.DEADLINE_EXCEEDED))) is errors.DeadlineExceeded
    assert type(from_rpc_error(Bare(StatusCode.DATA_LOSS))) is errors.InternalError
    assert type(from_rpc_error(grpc.RpcError())) is errors.InternalError


@pytest.mark.parametrize("side", ["Received", "CLIENT: Sent", "Decompressed"])
def test_a_message_that_is_too_long_is_no_overload_that_passes(side: str) -> None:
    said = f"{side} message larger than max (96000112 vs. 67108864)"
    error = from_rpc_error(Bare(StatusCode.RESOURCE_EXHAUSTED, details=said))
    assert type(error) is errors.TooLarge
    assert type(from_rpc_error(Bare(StatusCode.RESOURCE_EXHAUSTED))) is errors.Overloaded


def test_damaged_details_fall_back_to_the_code() -> None:
    error = from_rpc_error(Bare(StatusCode.NOT_FOUND, ((DETAILS_KEY, b"\xff\xff"),)))
    assert type(error) is errors.NotFound


def test_an_error_that_holds_no_text_is_told_all_the_same() -> None:
    told = to_status(errors.UnknownStep("Step '\ud800' is not known.", step="\ud800"))
    assert told.message == "Step '?' is not known."
    assert from_status(told).details == {"step": "?"}
