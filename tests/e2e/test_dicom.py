"""A cart sends an ECG by C-STORE to the running services, and a model scores it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import dcmread
from pynetdicom import AE
from pynetdicom.sop_class import TwelveLeadECGWaveformStorage

from tests.e2e.conftest import run_cli
from tests.ports import free_port

pytestmark = pytest.mark.filterwarnings("ignore:.*socket.*:pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def listening(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, int]]:
    port = free_port()
    settings = tmp_path / "precordia.toml"
    settings.write_text(f'[ingest]\ndicom_listen = "127.0.0.1:{port}"\ndicom_callers = "CART"\ndeidentify = true\n')
    home = tmp_path / "home"
    up = run_cli(home, "up", "--detach", "--ports", "0", "--json", PRECORDIA_CONFIG=str(settings))
    assert up.status == 0, up.narration
    try:
        yield home, port
    finally:
        assert run_cli(home, "down", "--json").status == 0


def _send(path: Path, port: int, *, calling: str) -> int | None:
    """The status of a C-STORE, None where no association came to be."""
    caller = AE(ae_title=calling)
    caller.acse_timeout = caller.dimse_timeout = caller.network_timeout = 120
    caller.add_requested_context(TwelveLeadECGWaveformStorage)
    association = caller.associate("127.0.0.1", port, ae_title="PRECORDIA")
    if not association.is_established:
        return None
    status: int = association.send_c_store(dcmread(path)).Status
    association.release()
    return status


def test_an_ecg_sent_twice_is_kept_once_without_identity_and_scored(
    listening: tuple[Path, int], dicom_ecg: Path
) -> None:
    home, port = listening
    assert [_send(dicom_ecg, port, calling="CART") for _ in range(2)] == [0x0000, 0x0000]
    assert _send(dicom_ecg, port, calling="STRANGER") is None
    (recording,) = run_cli(home, "recordings", "--json").document["recordings"]
    shown = run_cli(home, "show", recording["recording"], "--json").document
    assert "deidentified" in {warning["code"] for warning in shown["warnings"]}
    name = str(dcmread(dicom_ecg).PatientName)
    kept = [path.read_bytes() for path in (home / "ingest" / "blobs").rglob("*") if path.is_file()]
    assert kept
    assert not [content for content in kept if name.encode() in content]
    (prediction,) = run_cli(home, "predict", recording["recording"], "--json").document["predictions"]
    assert max(prediction["scores"], key=prediction["scores"].get) == "NORM"
