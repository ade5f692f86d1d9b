"""One connection to all four services."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from grpc_health.v1 import health_pb2, health_pb2_grpc

from precordia.client.addresses import SERVICES, Addresses
from precordia.client.inference import InferenceClient
from precordia.client.ingest import IngestClient
from precordia.client.operations import OperationsClient
from precordia.client.peer import Peer
from precordia.client.registry import RegistryClient
from precordia.client.trainer import TrainerClient
from precordia.errors import PrecordiaError


@dataclass(frozen=True)
class ServiceHealth:
    """A service as it answers now: "serving", "not_serving" or "unreachable"."""

    service: str
    address: str
    state: str

    @property
    def serving(self) -> bool:
        """Whether it takes calls."""
        return self.state == "serving"


class Connection:
    """The four services. A channel is opened when its service is first called.

    An empty token is taken from PRECORDIA_TOKEN; PRECORDIA_TLS_CA names a PEM file of authorities, and means TLS.
    """

    def __init__(self, addresses: Addresses | None = None, token: str = "") -> None:
        where = addresses or Addresses()
        shown = token or os.environ.get("PRECORDIA_TOKEN", "")
        authorities = os.environ.get("PRECORDIA_TLS_CA")
        tls_ca = Path(authorities) if authorities else None
        self._peers = {service: Peer(service, where.of(service), shown, tls_ca) for service in SERVICES}
        self.ingest = IngestClient(self._peers["ingest"])
        self.registry = RegistryClient(self._peers["registry"])
        self.inference = InferenceClient(self._peers["inference"])
        self.trainer = TrainerClient(self._peers["trainer"])

    def operations(self) -> dict[str, OperationsClient]:
        """Long work by the service that does it."""
        return {
            "ingest": self.ingest.operations,
            "inference": self.inference.operations,
            "trainer": self.trainer.operations,
        }

    async def health(self, service: str, *, timeout_s: float = 2.0) -> ServiceHealth:
        """How a service answers grpc.health.v1 now."""
        peer = self._peers[service]
        try:
            check = peer.stub(health_pb2_grpc.HealthStub).Check
            answer = await peer.call(check, health_pb2.HealthCheckRequest(), timeout_s=timeout_s)
        except PrecordiaError:
            return ServiceHealth(service, peer.address, "unreachable")
        serving = answer.status == health_pb2.HealthCheckResponse.SERVING
        return ServiceHealth(service, peer.address, "serving" if serving else "not_serving")

    async def close(self) -> None:
        """Close all channels."""
        for peer in self._peers.values():
            await peer.close()


@asynccontextmanager
async def connect(addresses: Addresses | None = None, token: str = "") -> AsyncIterator[Connection]:
    """The four services, where `addresses` say, or as `precordia.client.addresses.address_of` finds them.

    Nothing is called yet: a service that is away shows at its first call, as ServiceUnavailable.
    """
    connection = Connection(addresses, token)
    try:
        yield connection
    finally:
        await connection.close()
