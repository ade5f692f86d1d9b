"""Blobs are written whole or not at all, under the hash of their bytes."""

from __future__ import annotations

import hashlib
import os
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from precordia.errors import ChecksumMismatch, InternalError, InvalidArgument, NotFound, StorageFull
from precordia.storage.blobs import Blob, BlobStore

ECG = b"twelve leads, ten seconds"
SHA256 = hashlib.sha256(ECG).hexdigest()


@pytest.fixture(params=["folder", "remote"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    return BlobStore(str(tmp_path / "blobs") if request.param == "folder" else f"memory://{uuid.uuid4()}/blobs")


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_what_is_put_is_read_back(store: BlobStore) -> None:
    assert store.put(ECG) == Blob(SHA256, len(ECG))
    assert store.read(SHA256) == ECG
    assert list(store.chunks(SHA256, 10)) == [ECG[:10], ECG[10:20], ECG[20:]]
    assert store.exists(SHA256)


def test_an_empty_blob_is_a_blob(store: BlobStore) -> None:
    blob = store.put(b"")
    assert blob.size_bytes == 0
    assert store.read(blob.sha256) == b""


def test_the_same_bytes_are_stored_once(store: BlobStore) -> None:
    assert store.put(ECG) == store.put(ECG)
    store.delete(SHA256)
    assert not store.exists(SHA256)


def test_pieces_make_one_blob_when_the_announced_hash_fits(store: BlobStore) -> None:
    with store.writer() as writer:
        writer.write(ECG[:7])
        writer.write(ECG[7:])
        assert writer.size_bytes == len(ECG)
        assert writer.commit(SHA256.upper()) == Blob(SHA256, len(ECG))
    assert store.read(SHA256) == ECG


def test_bytes_that_are_not_the_announced_ones_leave_nothing(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    with store.writer() as writer:
        writer.write(ECG)
        with pytest.raises(ChecksumMismatch):
            writer.commit("0" * 64)
    assert files(tmp_path) == []


def test_a_write_that_is_left_is_abandoned(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    with store.writer() as writer:
        writer.write(ECG)
    assert files(tmp_path) == []
    assert not store.exists(SHA256)


def test_nothing_is_visible_before_the_commit(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    with store.writer() as writer:
        writer.write(ECG)
        assert not store.exists(SHA256)
        writer.commit()
    assert store.exists(SHA256)


def test_what_is_not_stored_is_not_found(store: BlobStore) -> None:
    with pytest.raises(NotFound):
        store.read(SHA256)
    store.delete(SHA256)


@pytest.mark.parametrize("name", ["", "../../etc/passwd", SHA256.upper(), SHA256 + "0", "g" * 64, SHA256 + "\n"])
def test_only_hashes_name_blobs(store: BlobStore, name: str) -> None:
    with pytest.raises(InvalidArgument):
        store.exists(name)


def test_damage_on_disk_is_noticed(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    store.put(ECG)
    path = store.local_path(SHA256)
    assert path is not None
    path.write_bytes(ECG[:-1] + b"X")
    with pytest.raises(InternalError):
        store.read(SHA256)


def test_local_blobs_have_a_path_and_remote_ones_none(tmp_path: Path) -> None:
    local = BlobStore(tmp_path)
    local.put(ECG)
    path = local.local_path(SHA256)
    assert path is not None
    assert path.read_bytes() == ECG
    assert path.stat().st_mode & 0o777 == 0o600
    remote = BlobStore(f"memory://{uuid.uuid4()}")
    remote.put(ECG)
    assert remote.local_path(SHA256) is None
    with pytest.raises(NotFound):
        local.local_path("0" * 64)


def test_a_full_disk_is_typed(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    with store.writer() as writer:
        writer._file.close()
        writer._file = open("/dev/full", "wb")  # noqa: SIM115 - the writer closes it
        writer.write(ECG)
        with pytest.raises(StorageFull):
            writer.commit()
    assert files(tmp_path) == []


def test_a_sweep_takes_old_orphans_and_abandoned_writes_only(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    kept, orphan, young = (store.put(data).sha256 for data in (b"kept", b"orphan", b"young"))
    abandoned = tmp_path / "unfinished" / "precordia-abandoned"
    abandoned.touch()
    two_hours_ago = time.time() - 7200
    for path in (store.local_path(kept), store.local_path(orphan), abandoned):
        assert path is not None
        os.utime(path, (two_hours_ago, two_hours_ago))
    assert store.sweep(lambda sha256: sha256 == kept) == 2
    assert [store.exists(sha256) for sha256 in (kept, orphan, young)] == [True, False, True]
    assert not abandoned.exists()


def test_putting_an_old_blob_again_saves_it_from_the_sweep(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    path = store.local_path(store.put(ECG).sha256)
    assert path is not None
    os.utime(path, (0, 0))
    store.put(ECG)
    assert store.sweep(lambda _: False) == 0


def test_a_sweep_of_an_empty_remote_store_finds_nothing() -> None:
    assert BlobStore(f"memory://{uuid.uuid4()}").sweep(lambda _: False) == 0


def test_writers_of_the_same_bytes_do_not_disturb_each_other(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(store.put, [ECG] * 64)) == {Blob(SHA256, len(ECG))}
    assert len(files(tmp_path)) == 1
