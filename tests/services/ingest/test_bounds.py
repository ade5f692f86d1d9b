from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from precordia.errors import FailedPrecondition, Overloaded
from precordia.storage.blobs import BlobStore
from services.ingest.inflight import InFlight
from services.ingest.reclaim import Reclaimer
from services.ingest.secret import patient_secret


def test_calls_share_what_may_be_held_and_give_it_back() -> None:
    all_calls = InFlight(100)
    with all_calls.share() as first:
        first.take(80)
        with all_calls.share() as second, pytest.raises(Overloaded):
            second.take(30)
        with all_calls.share() as second:
            second.take(20)
    with all_calls.share() as later:
        later.take(100)


def test_one_call_alone_may_hold_more() -> None:
    all_calls = InFlight(100)
    with all_calls.share() as share:
        share.take(90)
        share.take(90)


def test_the_secret_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "ingest" / "secret"
    found: list[bytes] = []
    threads = [threading.Thread(target=lambda: found.append(patient_secret(path))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert len(found[0]) == 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["secret"]


def test_a_damaged_secret_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(b"short")
    with pytest.raises(FailedPrecondition, match="restore it"):
        patient_secret(path)
    assert path.read_bytes() == b"short"


def test_blobs_are_freed_only_when_nothing_is_in_the_making(tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path)
    free, needed = blobs.put(b"free").sha256, blobs.put(b"needed").sha256
    reclaimer = Reclaimer(blobs, lambda sha256: sha256 == needed)
    with reclaimer.writing():
        reclaimer.release([free, needed])
        assert blobs.exists(free)
    assert not blobs.exists(free)
    assert blobs.exists(needed)


def test_the_service_loads_no_torch_and_no_front_end() -> None:
    code = (
        "import sys, services.ingest.__main__;"
        "print([name for name in ('torch', 'onnxruntime', 'textual', 'typer', 'sklearn') if name in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
