"""What surrounds every call: admission, request id, deadline, faults, health, reflection, the drain."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from google.protobuf.wrappers_pb2 import StringValue
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from precordia.errors import FailedPrecondition, InvalidInput, ServiceUnavailable, TooLarge, Unauthenticated
from precordia.rpc.channel import open_channel
from precordia.rpc.request_id import HEADER, adopt_request_id
from precordia.rpc.server import serving
from precordia.rpc.settings import ServerSettings
from precordia.rpc.status import from_rpc_error
from tests.ports import free_port
from tests.precordia.rpc.echo import NAME, Echo, echo_app, method, say

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


async def health_of(channel: grpc.aio.Channel, service: str = "") -> int:
    stub = health_pb2_grpc.HealthStub(channel)
    return int((await stub.Check(health_pb2.HealthCheckRequest(service=service))).status)


async def refusal(channel: grpc.aio.Channel, *words: str) -> Exception:
    with pytest.raises(grpc.RpcError) as failed:
        await say(channel, "UnaryUnary", *words)
    return from_rpc_error(failed.value)


async def test_all_four_arities_answer(channel: grpc.aio.Channel) -> None:
    assert await say(channel, "UnaryUnary", "a") == ["a"]
    assert await say(channel, "UnaryStream", "a,b") == ["a", "b"]
    assert await say(channel, "StreamUnary", "a", "b") == ["a+b"]
    assert await say(channel, "StreamStream", "a", "b") == ["a", "b"]


@pytest.mark.parametrize("arity", ["UnaryUnary", "UnaryStream", "StreamUnary", "StreamStream"])
async def test_a_fault_tells_its_request_id_and_nothing_else(
    channel: grpc.aio.Channel, arity: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(grpc.RpcError) as failed:
        await say(channel, arity, "fault", metadata=((HEADER, "find-me"),))
    error = from_rpc_error(failed.value)
    assert failed.value.code() is grpc.StatusCode.INTERNAL
    assert error.details == {"request_id": "find-me"}
    assert "Smith" not in f"{error.message}{failed.value}"
    assert "Smith" in caplog.text


async def test_an_answer_before_the_error_still_comes(channel: grpc.aio.Channel) -> None:
    stream = aiter(method(channel, "UnaryStream")(StringValue(value="a,fail NOT_FOUND")))
    assert (await anext(stream)).value == "a"
    with pytest.raises(grpc.RpcError):
        await anext(stream)


async def test_the_callers_request_id_is_kept_and_returned(channel: grpc.aio.Channel) -> None:
    call = method(channel, "UnaryUnary")(StringValue(value="id"), metadata=((HEADER, "call-7"),))
    assert (await call).value == "call-7"
    assert dict(await call.trailing_metadata())[HEADER] == "call-7"


@pytest.mark.parametrize("unfit", ["", "x" * 65, "two words", 'break"out'])
async def test_unfit_request_ids_are_replaced(channel: grpc.aio.Channel, unfit: str) -> None:
    [made] = await say(channel, "UnaryUnary", "id", metadata=((HEADER, unfit),))
    assert made != unfit
    assert len(made) == 32


async def test_the_request_id_goes_on_with_calls_made_for_a_call(channel: grpc.aio.Channel) -> None:
    adopt_request_id("outer-call")
    assert await say(channel, "UnaryUnary", "id") == ["outer-call"]
    assert await say(channel, "StreamStream", "id") == ["outer-call"]


async def test_the_deadline_is_known_inside(channel: grpc.aio.Channel) -> None:
    [left] = await say(channel, "UnaryUnary", "deadline", timeout=300)
    assert 200 < float(left) < 310
    assert await say(channel, "UnaryUnary", "deadline") == ["None"]


async def test_work_whose_caller_left_is_cancelled(channel: grpc.aio.Channel, echo: Echo) -> None:
    for patience_s in (0.2, 2, 20):  # until it arrived before its caller left
        with pytest.raises(grpc.RpcError):
            await say(channel, "UnaryUnary", "hang", timeout=patience_s)
        if echo.begun.is_set():
            break
    async with asyncio.timeout(60):
        await echo.cancelled.wait()


async def test_bytes_that_are_no_message_are_refused_typed(channel: grpc.aio.Channel) -> None:
    with pytest.raises(grpc.RpcError) as unary:
        await channel.unary_unary(f"/{NAME}/UnaryUnary")(b"\xff\xff\xff")
    with pytest.raises(grpc.RpcError) as stream:
        await channel.stream_unary(f"/{NAME}/StreamUnary")(iter([b"\xff\xff\xff"]))
    assert type(from_rpc_error(unary.value)) is InvalidInput
    assert type(from_rpc_error(stream.value)) is InvalidInput


async def test_messages_beyond_the_limit_are_refused(channel: grpc.aio.Channel) -> None:
    assert len((await say(channel, "UnaryUnary", "x" * (32 << 20)))[0]) == 32 << 20
    assert type(await refusal(channel, "x" * ((64 << 20) + 1))) is TooLarge


async def test_unknown_methods_are_told(channel: grpc.aio.Channel) -> None:
    with pytest.raises(grpc.RpcError) as failed:
        await channel.unary_unary(f"/{NAME}/Nothing")(b"")
    assert type(from_rpc_error(failed.value)) is FailedPrecondition


async def test_reflection_lists_the_services(channel: grpc.aio.Channel) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    async for answer in stub.ServerReflectionInfo(iter([request])):
        names = {service.name for service in answer.list_services_response.service}
    assert {NAME, "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"} <= names


async def test_the_service_says_that_it_starts_then_that_it_serves(echo: Echo) -> None:
    warm = asyncio.Event()
    listen = f"127.0.0.1:{free_port()}"  # known before the service serves
    app = echo_app(echo, ServerSettings(listen=listen, drain_s=60), startup=warm.wait)

    async def serve() -> None:
        async with serving(app), open_channel(listen) as channel:
            assert await health_of(channel) == SERVING
            assert await health_of(channel, NAME) == SERVING
            assert await say(channel, "UnaryUnary", "a") == ["a"]

    task = asyncio.create_task(serve())
    async with open_channel(listen) as channel:
        await asyncio.wait_for(channel.channel_ready(), 60)
        assert await health_of(channel) == NOT_SERVING
        error = await refusal(channel, "a")
        assert isinstance(error, ServiceUnavailable)
        assert "starting" in str(error)
        warm.set()
        await task


async def test_a_drain_finishes_what_runs_and_lets_nothing_in(echo: Echo) -> None:
    ended: list[str] = []

    async def shutdown() -> None:
        ended.append("shutdown")

    server = serving(echo_app(echo, shutdown=shutdown))
    address = await server.__aenter__()
    async with open_channel(address) as channel:
        running = asyncio.create_task(say(channel, "UnaryUnary", "hang"))
        await echo.begun.wait()
        echo.begun.clear()
        watching = asyncio.create_task(say(channel, "WatchStream", "hang"))
        await echo.begun.wait()
        draining = asyncio.create_task(server.__aexit__(None, None, None))
        with pytest.raises(grpc.RpcError) as ended_watch:
            await watching
        assert isinstance(from_rpc_error(ended_watch.value), ServiceUnavailable)
        assert await health_of(channel) == NOT_SERVING
        error = await refusal(channel, "late")
        assert "stopping" in str(error)
        assert ended == []
        echo.release.set()
        assert await running == ["hang"]
        await draining
    assert ended == ["shutdown"]


async def test_a_drain_does_not_wait_for_ever(echo: Echo) -> None:
    async with asyncio.timeout(60):
        async with serving(echo_app(echo, ServerSettings(drain_s=0.2))) as address:
            channel = open_channel(address)
            hanging = asyncio.create_task(say(channel, "UnaryUnary", "hang"))
            await echo.begun.wait()
        with pytest.raises(grpc.RpcError):
            await hanging
        await channel.close()


async def test_a_taken_port_is_told_clearly(echo: Echo) -> None:
    async with serving(echo_app(echo)) as address:
        with pytest.raises(FailedPrecondition, match="PRECORDIA_INGEST_LISTEN"):
            await serving(echo_app(echo, ServerSettings(listen=address))).__aenter__()


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0", "example.org:0"])
async def test_other_than_loopback_is_refused_without_tls_and_token(echo: Echo, listen: str) -> None:
    with pytest.raises(FailedPrecondition, match="PRECORDIA_INGEST_TLS_CERTIFICATE"):
        await serving(echo_app(echo, ServerSettings(listen=listen))).__aenter__()


async def test_a_token_is_asked_for_where_one_is_set(echo: Echo) -> None:
    async with serving(echo_app(echo, ServerSettings(token="s3cret"))) as address:
        async with open_channel(address) as nobody, open_channel(address, "wrong") as stranger:
            assert isinstance(await refusal(nobody, "a"), Unauthenticated)
            assert isinstance(await refusal(stranger, "a"), Unauthenticated)
            assert await health_of(nobody) == SERVING
        async with open_channel(address, "s3cret") as friend:
            assert await say(friend, "UnaryUnary", "a") == ["a"]


async def test_whoever_still_sends_is_told_why_it_is_refused(echo: Echo) -> None:
    part = StringValue(value="a" * (1 << 18)).SerializeToString()

    async def parts() -> AsyncIterator[bytes]:
        for _ in range(32):
            yield part

    settings = ServerSettings(token="s3cret")
    async with serving(echo_app(echo, settings)) as address, open_channel(address, "wrong") as stranger:
        for _ in range(60):
            with pytest.raises(grpc.RpcError) as failed:
                await stranger.stream_unary(f"/{NAME}/StreamUnary")(parts())
            assert isinstance(from_rpc_error(failed.value), Unauthenticated)


def test_the_token_stays_out_of_what_settings_print() -> None:
    assert "s3cret" not in repr(ServerSettings(token="s3cret"))


async def test_tls_and_token_let_other_machines_in(echo: Echo, certificate: tuple[Path, Path]) -> None:
    pem, key = certificate
    settings = ServerSettings(listen="0.0.0.0:0", token="s3cret", tls_certificate=pem, tls_key=key)
    async with serving(echo_app(echo, settings)) as address:
        port = address.rpartition(":")[2]
        async with open_channel(f"localhost:{port}", "s3cret", pem) as channel:
            assert await say(channel, "UnaryUnary", "a") == ["a"]
        async with open_channel(f"localhost:{port}", "s3cret") as plain:
            assert isinstance(await refusal(plain, "a"), ServiceUnavailable)


@pytest.mark.parametrize("given", ["tls_certificate", "tls_key"])
async def test_half_a_certificate_is_refused(echo: Echo, certificate: tuple[Path, Path], given: str) -> None:
    settings = ServerSettings(**{given: certificate[0]})
    with pytest.raises(FailedPrecondition, match="both"):
        await serving(echo_app(echo, settings)).__aenter__()
