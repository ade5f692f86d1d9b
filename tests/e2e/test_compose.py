"""compose.yaml, taken at its word: each service's own command and environment, as local processes.

Only what a container would give is replaced: host names and ports become loopback and free ports,
/data and /certificates become folders of the test.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("registry", "ingest", "inference", "trainer")
TOKEN = "a-token-of-the-test-and-of-nothing-else"


@dataclass
class Stack:
    processes: dict[str, subprocess.Popen[bytes]]
    environments: dict[str, dict[str, str]]
    definition: dict[str, Any]
    logs: Path

    def run(self, service: str, *command: str) -> subprocess.CompletedProcess[str]:
        environment = self.environments[service]
        return subprocess.run(
            [_program(command[0]), *command[1:]], env=environment, capture_output=True, text=True, timeout=120
        )


def _program(name: str) -> str:
    return sys.executable if name == "python" else str(Path(sys.executable).parent / name)


def _local(value: str, folder: Path, ports: dict[str, int]) -> str:
    value = re.sub(r"\$\{PRECORDIA_TOKEN[^}]*\}", TOKEN, value)
    value = value.replace("/data", str(folder / "data")).replace("/certificates", str(folder / "certificates"))
    usual = {"50051": "ingest", "50052": "inference", "50053": "trainer", "50054": "registry"}
    return re.sub(
        r"^(?:0\.0\.0\.0|ingest|inference|trainer|registry):(\d+)$",
        lambda match: f"127.0.0.1:{ports[usual[match.group(1)]]}",
        value,
    )


def _environment(service: dict[str, Any], folder: Path, ports: dict[str, int]) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PRECORDIA_")}
    return inherited | {name: _local(str(value), folder, ports) for name, value in service["environment"].items()}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed: no certificates to start with")
    folder = tmp_path_factory.mktemp("compose")
    definition = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    (folder / "certificates").mkdir()
    (folder / "data").mkdir()
    make = [str(ROOT / "scripts" / "make-certificates"), str(folder / "certificates")]
    subprocess.run([*make, *definition["certificates"]["command"][2:]], check=True)
    ports = {name: free_port() for name in SERVICES}
    environments = {name: _environment(definition[name], folder, ports) for name in SERVICES}
    stack = Stack({}, environments, definition, folder)
    try:
        for name in SERVICES:
            command = definition[name]["command"]
            with (folder / f"{name}.log").open("wb") as log:
                stack.processes[name] = subprocess.Popen(
                    [_program(command[0]), *command[1:]], env=environments[name], stdout=log, stderr=log, cwd=folder
                )
        yield stack
    finally:
        for process in stack.processes.values():
            process.terminate()
        for process in stack.processes.values():
            process.wait(120)


def _await_healthy(stack: Stack, service: str) -> None:
    check = stack.definition[service]["healthcheck"]["test"]
    deadline = time.monotonic() + 240
    while True:
        answer = stack.run(service, *check[1:])
        if answer.returncode == 0:
            return
        log = (stack.logs / f"{service}.log").read_text()
        assert stack.processes[service].poll() is None, log
        assert time.monotonic() < deadline, answer.stdout + answer.stderr + log
        time.sleep(0.5)


def test_every_service_becomes_healthy_and_one_prediction_goes_through_all(stack: Stack, dicom_ecg: Path) -> None:
    for service in SERVICES:
        _await_healthy(stack, service)
    answer = stack.run("inference", "precordia", "predict", str(dicom_ecg), "--json")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    document = json.loads(answer.stdout)
    (prediction,) = document["predictions"]
    assert document["refused"] == []
    assert prediction["model"] == "precordia-superclasses"
    assert set(prediction["scores"]) == {"NORM", "MI", "STTC", "CD", "HYP"}
    assert all(0 <= score <= 1 for score in prediction["scores"].values())


def test_a_caller_without_the_token_is_turned_away(stack: Stack, dicom_ecg: Path) -> None:
    _await_healthy(stack, "ingest")
    stack.environments["stranger"] = stack.environments["ingest"] | {"PRECORDIA_TOKEN": "wrong"}
    answer = stack.run("stranger", "precordia", "import", str(dicom_ecg), "--json")
    assert answer.returncode == 1
    assert "UNAUTHENTICATED" in answer.stdout + answer.stderr


def test_the_gpu_profile_differs_from_the_cpu_service_in_its_device_alone(stack: Stack) -> None:
    gpu, cpu = stack.definition["inference-gpu"], stack.definition["inference"]
    assert gpu["profiles"] == ["gpu"]
    assert gpu["command"] == cpu["command"]
    different = {name for name in gpu["environment"] if gpu["environment"][name] != cpu["environment"].get(name)}
    assert different == {"PRECORDIA_INFERENCE", "PRECORDIA_INFERENCE_DEVICE", "PRECORDIA_INFERENCE_DATABASE_URL"}
    assert gpu["environment"]["PRECORDIA_INFERENCE_DEVICE"] == "cuda"
