"""Where a service is looked for."""

import json
from pathlib import Path

import pytest

from precordia.client.addresses import Addresses, home_folder


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PRECORDIA_HOME", str(tmp_path))
    for service in ("INGEST", "INFERENCE", "TRAINER", "REGISTRY"):
        monkeypatch.delenv(f"PRECORDIA_{service}", raising=False)
    return tmp_path


def _write(home: Path, text: str) -> None:
    (home / "run").mkdir()
    (home / "run" / "ingest.json").write_text(text)


def test_what_is_said_counts_first(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRECORDIA_INGEST", "there:1")
    assert Addresses(ingest="here:2").of("ingest") == "here:2"
    assert Addresses().of("ingest") == "there:1"


def test_then_the_address_file_of_the_home_folder(home: Path) -> None:
    _write(home, json.dumps({"address": "127.0.0.1:4711", "pid": 1}))
    assert Addresses().of("ingest") == "127.0.0.1:4711"
    assert home_folder() == home


@pytest.mark.parametrize("text", ["", "[]", '{"pid": 1}', "{"])
def test_an_address_file_without_an_address_does_not_count(home: Path, text: str) -> None:
    _write(home, text)
    assert Addresses().of("ingest") == "127.0.0.1:50051"


def test_then_the_usual_port() -> None:
    assert [Addresses().of(name) for name in ("inference", "trainer", "registry")] == [
        "127.0.0.1:50052",
        "127.0.0.1:50053",
        "127.0.0.1:50054",
    ]
