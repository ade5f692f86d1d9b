"""An option that gRPC does not know is ignored without a word: each of ours must be one that it knows."""

from __future__ import annotations

import mmap
import re
from pathlib import Path

import pytest
from grpc._cython import cygrpc

from precordia.rpc.limits import CLIENT_OPTIONS, SERVER_OPTIONS

OPTIONS = dict(SERVER_OPTIONS) | dict(CLIENT_OPTIONS)


@pytest.mark.parametrize("name", sorted(OPTIONS))
def test_grpc_knows_the_option(name: str) -> None:
    with Path(cygrpc.__file__).open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as library:
        assert re.search(re.escape(name.encode()) + rb"(?![a-z_])", library)


def test_pings_of_our_clients_are_not_too_many_for_our_servers() -> None:
    server, client = dict(SERVER_OPTIONS), dict(CLIENT_OPTIONS)
    assert server["grpc.http2.min_ping_interval_without_data_ms"] < client["grpc.keepalive_time_ms"]
    assert server["grpc.keepalive_permit_without_calls"] == 1
