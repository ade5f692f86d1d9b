"""The cache of conditioned splits: what its folders are called, how large it may grow, whether there is room."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import time
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from precordia.dataset import Snapshot
from precordia.errors import StorageFull
from precordia.manifest import Manifest
from services.trainer.planning.plan import PinnedSplit, Plan

FILLING = "filling-"
"""Begin of the names of folders that are not whole yet."""

_LONGEST_NAME = 32
_FILLING_ENDS_S = 3600.0
_LAYOUT = 3  # of what a cache folder holds
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_GIB, _MIB = 1 << 30, 1 << 20


def cache_name(pinned: PinnedSplit, manifest: Manifest) -> str:
    """Name of a split's folder, after all that its content depends on."""
    key = json.dumps([_LAYOUT, pinned.digest, pinned.split, manifest.conditioning_digest()])
    return hashlib.sha256(key.encode()).hexdigest()[:_LONGEST_NAME]


def needed_bytes(records: int, manifest: Manifest) -> int:
    """Bytes of so many conditioned records of one window each; longer ones take more."""
    return records * len(manifest.input.leads) * manifest.input.samples * 4


def data_bytes(plan: Plan, snapshots: Mapping[str, Snapshot], cache: Path) -> int:
    """Bytes that the cache still lacks of a plan's data. `snapshots` are those of its splits, by role."""
    manifest = plan.manifest()
    lacking = {
        cache_name(split, manifest): needed_bytes(records_of(snapshots[role], split.split), manifest)
        for role, split in plan.splits.items()
    }
    return sum(size for name, size in lacking.items() if not (cache / name).exists())


def records_of(snapshot: Snapshot, split: str) -> int:
    """Records of a snapshot's split; an empty name is all of them."""
    return sum(count.records for count in snapshot.splits if split in ("", count.name))


def check_room(cache: Path, needed: int) -> None:
    """Refuse what does not fit, before anything is fetched.

    Raises:
        StorageFull: the disk has less room; the message says how much there is.
    """
    folder = next(path for path in (cache, *cache.absolute().parents) if path.exists())
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise StorageFull(
            f"The conditioned training data needs {_said(needed)}, and {_said(free)} are free where the trainer "
            "keeps it; free some, or set the trainer's cache_folder to a larger disk.",
            needed_bytes=needed,
            free_bytes=free,
        )


def _said(size: int) -> str:
    return f"{size / _GIB:.1f} GiB" if size >= _GIB else f"{size / _MIB:.1f} MiB"


@contextlib.contextmanager
def full_disk_is_said() -> Iterator[None]:
    """Turn a full disk into an error that says so.

    Raises:
        StorageFull: no space is left.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFull(
                "No space is left for conditioned training data; free some, or set the trainer's cache_folder "
                "to a larger disk."
            ) from error
        raise


def clear_cache(cache: Path, keep_bytes: int, used: Collection[str] = ()) -> None:
    """Remove the least recently used splits until the rest fits, and what dead workers left half filled.

    `used` are names of folders that stay: a job's own data is needed again should it go on later.
    """
    folders = [folder for folder in cache.iterdir() if folder.is_dir()] if cache.exists() else []
    for folder in folders:
        if folder.name.startswith(FILLING) and time.time() - _touched_s(folder) > _FILLING_ENDS_S:
            shutil.rmtree(folder, ignore_errors=True)
    total = 0
    for folder in sorted(folders, key=lambda path: (path.name not in used, -_touched_s(path, within=False))):
        total += _size(folder)
        if total > keep_bytes and folder.name not in used and not folder.name.startswith(FILLING):
            shutil.rmtree(folder, ignore_errors=True)


def touch(folder: Path) -> None:
    """Note that a split was used: the least recently used is cleared first."""
    with contextlib.suppress(FileNotFoundError):
        os.utime(folder)


def _touched_s(folder: Path, *, within: bool = True) -> float:
    """When a folder, or a file in it, changed last; 0 where another worker removed it meanwhile."""
    try:
        latest: float = max(path.stat().st_mtime for path in (folder, *(folder.iterdir() if within else ())))
        return latest
    except FileNotFoundError:
        return 0.0


def _size(folder: Path) -> int:
    try:
        return sum(file.stat().st_size for file in folder.iterdir())
    except FileNotFoundError:
        return 0
