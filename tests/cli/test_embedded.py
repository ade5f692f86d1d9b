"""Services as child processes: environments, one set a home, deaths that are said."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cli.embedded import Fleet, ServiceDied, log_tail, ports_from, read_running, service_environment, stop_detached
from precordia.errors import AlreadyExists

FREE = ports_from(0)


def running_as(service: str, home: Path) -> subprocess.Popen[bytes]:
    """A process that looks like a service of this home."""
    code = "import time; print(flush=True); time.sleep(3600)"
    process = subprocess.Popen([sys.executable, "-c", code, f"services.{service}"], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()  # it runs
    (home / "run").mkdir(exist_ok=True)
    (home / "run" / f"{service}.pid").write_text(json.dumps({"pid": process.pid}))
    return process


def test_ports_are_the_usual_ones_free_ones_or_four_in_a_row() -> None:
    assert dict(ports_from(None)) == {"ingest": 50051, "inference": 50052, "trainer": 50053, "registry": 50054}
    assert set(FREE.values()) == {0}
    assert sorted(ports_from(6000).values()) == [6000, 6001, 6002, 6003]


def test_a_service_learns_its_home_its_port_and_its_peers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRECORDIA_TRAINER_LISTEN", "127.0.0.1:7")
    environment = service_environment("inference", tmp_path, 6001, {"ingest": "127.0.0.1:1"})
    assert environment["PRECORDIA_HOME"] == str(tmp_path)
    assert environment["PRECORDIA_INFERENCE_LISTEN"] == "127.0.0.1:6001"
    assert environment["PRECORDIA_INFERENCE_ADDRESS_FILE"] == str(tmp_path / "run" / "inference.json")
    assert environment["PRECORDIA_INGEST"] == "127.0.0.1:1"
    assert service_environment("trainer", tmp_path, 1)["PRECORDIA_TRAINER_LISTEN"] == "127.0.0.1:7"


def test_a_home_has_one_set_of_services(tmp_path: Path) -> None:
    with Fleet(tmp_path, FREE, print), pytest.raises(AlreadyExists, match="precordia down"):
        Fleet(tmp_path, FREE, print).__enter__()
    with Fleet(tmp_path, FREE, print):
        pass


def test_a_second_up_names_the_service_that_a_home_has_lost(tmp_path: Path) -> None:
    services: list[subprocess.Popen[bytes]] = []
    try:
        with Fleet(tmp_path, FREE, print):
            for name in ("registry", "ingest", "trainer"):
                services.append(running_as(name, tmp_path))
            with pytest.raises(AlreadyExists, match=r"inference does not run.*precordia down"):
                Fleet(tmp_path, FREE, print).__enter__()
    finally:
        for service in services:
            service.kill()
            service.communicate()


def test_a_service_that_does_not_start_shows_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRECORDIA_REGISTRY_LISTEN", "10.0.0.1:1")  # not loopback, and neither TLS nor token
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "registry.log").write_text("of an earlier day\n")
    said: list[str] = []
    with Fleet(tmp_path, FREE, said.append) as fleet, pytest.raises(ServiceDied) as died:
        fleet.start()
    assert died.value.details["service"] == "registry"
    assert "PRECORDIA_REGISTRY_TOKEN" in died.value.log
    assert "earlier day" not in died.value.log
    assert [read_running(service, tmp_path) for service in FREE] == [None] * 4


def test_the_end_of_a_log_is_its_last_twenty_lines(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "ingest.log").write_text("".join(f"line {n}\n" for n in range(5000)))
    lines = log_tail("ingest", tmp_path).splitlines()
    assert (len(lines), lines[0], lines[-1]) == (20, "  line 4980", "  line 4999")


def test_down_leaves_a_stranger_with_the_same_number_alone(tmp_path: Path) -> None:
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
    try:
        (tmp_path / "run").mkdir()
        note = json.dumps({"pid": stranger.pid, "address": "127.0.0.1:1"})
        (tmp_path / "run" / "ingest.pid").write_text(note)
        (tmp_path / "run" / "ingest.json").write_text(note)
        assert stop_detached(tmp_path, print) == []
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_down_ends_the_process_that_is_the_service(tmp_path: Path) -> None:
    service = running_as("ingest", tmp_path)
    try:
        assert stop_detached(tmp_path, print) == ["ingest"]
        assert service.wait(60) == -15
        assert os.listdir(tmp_path / "run") == []
    finally:
        service.kill()
        service.communicate()
