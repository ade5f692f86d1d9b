"""A service that cannot start says why in a line for each fault."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("PRECORDIA_INGEST_DRAIN_S", "soon", "PRECORDIA_INGEST_DRAIN_S: Input should be a valid number"),
        ("PRECORDIA_INGEST_DATABASE_URL", "no url", "The database URL cannot be read"),
        ("PRECORDIA_INGEST_LISTEN", "0.0.0.0:50051", "PRECORDIA_INGEST_TLS_CERTIFICATE"),
        ("PRECORDIA_CONFIG", "/does/not/exist.toml", "PRECORDIA_CONFIG"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(tmp_path: Path, setting: str, value: str, said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "services.ingest"],
        env=os.environ | {"PRECORDIA_HOME": str(tmp_path), setting: value},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
