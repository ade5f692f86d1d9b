"""What a static import graph cannot see: modules really loaded, in a process of their own."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

FRONT_ENDS = ["cli.__main__", "cli.app", "tui.app", "precordia.client"]
SERVICES = ["ingest", "inference", "trainer", "registry"]


def _loaded_by(module: str) -> set[str]:
    code = f"import importlib, json, sys; importlib.import_module({module!r}); print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_process_loads_no_torch(service: str) -> None:
    loaded = _loaded_by(f"services.{service}.__main__")
    assert not loaded & {"torch", "onnx2torch", "textual"}


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_loads_no_other_service(service: str) -> None:
    loaded = _loaded_by(f"services.{service}.__main__")
    others = [other for other in SERVICES if other != service]
    assert not [name for name in loaded if name.split(".")[:2] in [["services", other] for other in others]]


@pytest.mark.parametrize("module", FRONT_ENDS)
def test_a_front_end_loads_no_service_and_no_torch(module: str) -> None:
    loaded = _loaded_by(module)
    assert not [name for name in loaded if name == "services" or name.startswith("services.")]
    assert "torch" not in loaded


def test_the_command_line_starts_without_numeric_libraries() -> None:
    assert not _loaded_by("cli.__main__") & {"numba", "scipy", "pandas", "textual", "onnxruntime"}
