"""A service that cannot start says why in a line for each fault."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("service", "setting", "value", "said"),
    [
        ("ingest", "PRECORDIA_INGEST_DRAIN_S", "soon", "PRECORDIA_INGEST_DRAIN_S: Input should be a valid number"),
        ("ingest", "PRECORDIA_INGEST_DATABASE_URL", "no url", "The database URL cannot be read"),
        ("ingest", "PRECORDIA_INGEST_LISTEN", "0.0.0.0:50051", "PRECORDIA_INGEST_TLS_CERTIFICATE"),
        ("ingest", "PRECORDIA_CONFIG", "/does/not/exist.toml", "PRECORDIA_CONFIG"),
        ("inference", "PRECORDIA_INFERENCE_PRELOAD", "[abc", "PRECORDIA_INFERENCE_PRELOAD: This is no list; write"),
        (
            "inference",
            "PRECORDIA_INFERENCE_BATCH_SIZE",
            "128",
            "PRECORDIA_INFERENCE_BATCH_SIZE: 128 ECGs in a run are more than PRECORDIA_INFERENCE_MAX_BATCH allows, 64",
        ),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(
    tmp_path: Path, service: str, setting: str, value: str, said: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"services.{service}"],
        env=os.environ | {"PRECORDIA_HOME": str(tmp_path), setting: value},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("service", ["ingest", "inference", "trainer", "registry"])
def test_a_misspelt_setting_is_told_at_the_start(tmp_path: Path, service: str) -> None:
    prefix = f"PRECORDIA_{service.upper()}_"
    ending = {f"{prefix}LISTEN": "no address"}  # the start ends where it would listen
    done = subprocess.run(
        [sys.executable, "-m", f"services.{service}"],
        env=os.environ | {"PRECORDIA_HOME": str(tmp_path), f"{prefix}LISTN": "x"} | ending,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1
    said = f"{prefix}LISTN is no setting of this service and has no effect; the nearest is {prefix}LISTEN."
    assert done.stderr.count(said) == 1
