"""Channels to services: who we are and which request this is goes with every call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc

from precordia.errors import FailedPrecondition, InvalidArgument
from precordia.rpc.bind import is_loopback, parse_address
from precordia.rpc.limits import CLIENT_OPTIONS
from precordia.rpc.request_id import HEADER, current_request_id


def open_channel(address: str, token: str = "", tls_ca: Path | None = None, *, tls: bool = False) -> grpc.aio.Channel:
    """A channel to "host:port".

    Args:
        address: of the service.
        token: bearer token; it is sent in clear only to loopback.
        tls_ca: PEM file with the authorities to trust; implies TLS.
        tls: use TLS, with the system's authorities where `tls_ca` names none.

    Raises:
        InvalidArgument: no address, or a token that would travel in clear.
        FailedPrecondition: the file of authorities cannot be read.
    """
    host, _ = parse_address(address)
    if tls or tls_ca is not None:
        credentials = grpc.ssl_channel_credentials(None if tls_ca is None else _read(tls_ca))
        channel = grpc.aio.secure_channel(address, credentials, options=CLIENT_OPTIONS)
    elif token and not is_loopback(host):
        raise InvalidArgument("A token is not sent without TLS to another machine: use TLS.", field="token")
    else:
        channel = grpc.aio.insecure_channel(address, options=CLIENT_OPTIONS)
    return _AnnouncedChannel(channel, token)


class _AnnouncedChannel(grpc.aio.Channel):
    """Adds token and request id to the metadata of every call; lighter than gRPC's interceptors."""

    def __init__(self, channel: grpc.aio.Channel, token: str) -> None:
        self._channel = channel
        self._own: tuple[tuple[str, str], ...] = (("authorization", f"Bearer {token}"),) if token else ()

    def _announced(self, call: Any) -> Any:
        def start(*args: Any, metadata: Any = None, **kwargs: Any) -> Any:
            return call(*args, metadata=(*(metadata or ()), *self._metadata()), **kwargs)

        return start

    def _metadata(self) -> tuple[tuple[str, str], ...]:
        request_id = current_request_id()
        return (*self._own, (HEADER, request_id)) if request_id else self._own

    def unary_unary(self, *args: Any, **kwargs: Any) -> Any:
        """As grpc.aio.Channel."""
        return self._announced(self._channel.unary_unary(*args, **kwargs))

    def unary_stream(self, *args: Any, **kwargs: Any) -> Any:
        """As grpc.aio.Channel."""
        return self._announced(self._channel.unary_stream(*args, **kwargs))

    def stream_unary(self, *args: Any, **kwargs: Any) -> Any:
        """As grpc.aio.Channel."""
        return self._announced(self._channel.stream_unary(*args, **kwargs))

    def stream_stream(self, *args: Any, **kwargs: Any) -> Any:
        """As grpc.aio.Channel."""
        return self._announced(self._channel.stream_stream(*args, **kwargs))

    async def __aenter__(self) -> _AnnouncedChannel:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self, grace: float | None = None) -> None:
        """As grpc.aio.Channel."""
        await self._channel.close(grace)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        """As grpc.aio.Channel."""
        return self._channel.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """As grpc.aio.Channel."""
        await self._channel.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """As grpc.aio.Channel."""
        await self._channel.channel_ready()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise FailedPrecondition("The file of trusted authorities cannot be read.") from error
