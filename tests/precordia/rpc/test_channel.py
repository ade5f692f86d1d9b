"""Channels refuse what would be unsafe before a byte is sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from precordia.errors import FailedPrecondition, InvalidArgument
from precordia.rpc.bind import is_loopback, parse_address
from precordia.rpc.channel import open_channel


def test_a_token_never_travels_in_clear() -> None:
    with pytest.raises(InvalidArgument) as refused:
        open_channel("ecg.example.org:50051", "s3cret")
    assert refused.value.field == "token"
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("address", ["", "50051", ":50051", "host:", "host:x", "host:65536", "host:-1", "host:²"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(InvalidArgument):
        open_channel(address)


def test_a_missing_file_of_authorities_is_told(tmp_path: Path) -> None:
    with pytest.raises(FailedPrecondition):
        open_channel("ecg.example.org:50051", "s3cret", tmp_path / "none.pem")


def test_addresses_are_read() -> None:
    assert parse_address("127.0.0.1:0") == ("127.0.0.1", 0)
    assert parse_address("[::1]:50051") == ("::1", 50051)


def test_loopback_is_known() -> None:
    assert [is_loopback(host) for host in ("127.0.0.1", "127.9.9.9", "::1", "localhost")] == [True] * 4
    assert [is_loopback(host) for host in ("0.0.0.0", "::", "10.0.0.1", "localhost.example.org")] == [False] * 4
