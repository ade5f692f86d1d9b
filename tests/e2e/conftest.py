"""The four services as a user starts them, and the command line as a user types it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


@dataclass(frozen=True)
class Answer:
    status: int
    document: dict[str, Any]
    narration: str


Cli = Callable[..., Answer]


def run_cli(home: Path, *arguments: str, **environment: str) -> Answer:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PRECORDIA_")}
    done = subprocess.run(
        [sys.executable, "-m", "cli", *arguments],
        env=kept | {"PRECORDIA_HOME": str(home)} | environment,
        capture_output=True,
        text=True,
        timeout=280,
    )
    document = json.loads(done.stdout) if "--json" in arguments and done.stdout else {}
    return Answer(done.returncode, document, done.stdout + done.stderr if "--json" not in arguments else done.stderr)


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    home = tmp_path_factory.mktemp("home")
    up = run_cli(home, "up", "--detach", "--ports", "0", "--json")
    assert up.status == 0, up.narration
    try:
        yield lambda *arguments: run_cli(home, *arguments)
    finally:
        assert run_cli(home, "down", "--json").status == 0
