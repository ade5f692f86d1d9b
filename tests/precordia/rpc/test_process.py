"""A service as a process: one ready line, its address in a file, and an orderly end on a signal."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.wrappers_pb2 import StringValue

from precordia.rpc.channel import open_channel
from tests.precordia.rpc import echo_service
from tests.precordia.rpc.echo import method, say
from tests.precordia.rpc.test_server import SERVING, health_of

Process = subprocess.Popen[str]


def start(folder: Path, **settings: str) -> Process:
    environment = {**os.environ, "PRECORDIA_INGEST_ADDRESS_FILE": str(folder / "run" / "ingest.json")}
    environment |= {f"PRECORDIA_INGEST_{name.upper()}": value for name, value in settings.items()}
    command = [sys.executable, "-m", echo_service.__name__]
    return subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def ready(process: Process) -> dict[str, Any]:
    assert process.stdout is not None
    line: dict[str, Any] = json.loads(process.stdout.readline())
    return line


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    with start(tmp_path, drain_s="120") as started:
        yield started
        started.kill()


async def test_it_says_where_it_serves_and_ends_on_a_signal(process: Process, tmp_path: Path) -> None:
    line = ready(process)
    address_file = tmp_path / "run" / "ingest.json"
    assert line == {"service": "ingest", "address": line["address"], "pid": process.pid}
    assert json.loads(address_file.read_text()) == line
    async with open_channel(line["address"]) as channel:
        assert await say(channel, "UnaryUnary", "a") == ["a"]
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert out == ""
    assert not address_file.exists()


async def test_a_second_signal_cuts_the_drain_short(process: Process) -> None:
    line = ready(process)
    async with open_channel(line["address"]) as channel:
        hanging = aiter(method(channel, "UnaryStream")(StringValue(value="a,hang")))
        assert (await anext(hanging)).value == "a"  # it is under way
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(60):
            while await health_of(channel) == SERVING:
                await asyncio.sleep(0.02)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert await asyncio.to_thread(process.wait, 60) == 1  # half of what the drain would take
        with pytest.raises(grpc.RpcError):
            await anext(hanging)


def test_a_taken_port_ends_it_with_a_sentence(process: Process, tmp_path: Path) -> None:
    address = ready(process)["address"]
    with start(tmp_path / "other", listen=address) as second:
        _, told = second.communicate(timeout=60)
    assert second.returncode == 1
    assert "PRECORDIA_INGEST_LISTEN" in told
    assert "Traceback" not in told


def test_a_public_address_without_protection_ends_it_with_a_sentence(tmp_path: Path) -> None:
    with start(tmp_path, listen="0.0.0.0:0") as process:
        _, told = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "PRECORDIA_INGEST_TOKEN" in told
    assert "Traceback" not in told
