"""Where a server may listen: freely on loopback, elsewhere only with TLS and a token."""

from __future__ import annotations

import ipaddress

import grpc

from precordia.errors import FailedPrecondition, InvalidArgument
from precordia.rpc.settings import ServerSettings


def parse_address(address: str) -> tuple[str, int]:
    """Host and port of "host:port" or "[v6]:port".

    Raises:
        InvalidArgument: it is neither.
    """
    host, colon, port = address.rpartition(":")
    if not colon or not host or not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise InvalidArgument("An address is host:port, for example 127.0.0.1:50051.", field="listen")
    return host.removeprefix("[").removesuffix("]"), int(port)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def bind(server: grpc.aio.Server, settings: ServerSettings, *, prefix: str) -> str:
    """Let the server listen as the settings say; "host:port" with the port that it got.

    Args:
        server: not yet started.
        settings: say where, and with which certificate.
        prefix: of the environment variables that the messages name, PRECORDIA_INGEST_.

    Raises:
        FailedPrecondition: not loopback and no TLS or no token; or the address is taken.
    """
    host, port = parse_address(settings.listen)
    credentials = _credentials(settings, prefix)
    if not is_loopback(host) and (credentials is None or not settings.token):
        raise FailedPrecondition(
            f"Listening on other than loopback needs TLS and a token: set {prefix}TLS_CERTIFICATE, "
            f"{prefix}TLS_KEY and {prefix}TOKEN, or let {prefix}LISTEN begin with 127.0.0.1."
        )
    spelled = f"[{host}]" if ":" in host else host
    try:
        address = f"{spelled}:{port}"
        got = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
    except RuntimeError as error:
        raise FailedPrecondition(
            f"{settings.listen} cannot be listened on: another program has it, or it is no address of this "
            f"machine; set {prefix}LISTEN."
        ) from error
    return f"{spelled}:{got}"


def _credentials(settings: ServerSettings, prefix: str) -> grpc.ServerCredentials | None:
    if settings.tls_certificate is None and settings.tls_key is None:
        return None
    if settings.tls_certificate is None or settings.tls_key is None:
        raise FailedPrecondition(f"Set both {prefix}TLS_CERTIFICATE and {prefix}TLS_KEY, or neither.")
    try:
        pair = settings.tls_key.read_bytes(), settings.tls_certificate.read_bytes()
    except OSError as error:
        raise FailedPrecondition(
            f"The files named by {prefix}TLS_CERTIFICATE and {prefix}TLS_KEY cannot be read."
        ) from error
    return grpc.ssl_server_credentials([pair])
