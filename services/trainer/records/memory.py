"""Memory that a run's tables take, asked for before anything is fetched. Samples stay on disk and count nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from precordia.dataset import Snapshot
from precordia.errors import FailedPrecondition
from services.trainer.planning.plan import Plan
from services.trainer.records.cache import records_of

_COPIES = 3  # targets as read, as one table of a part, and as the part that is left after validation was drawn
_BYTES_BESIDE = 64  # a record's ids and row numbers
_GIB = 1 << 30


def table_bytes(plan: Plan, snapshots: Mapping[str, Snapshot]) -> int:
    """Bytes of all targets and what stands beside them. `snapshots` are those of the splits, by role."""
    columns = len(plan.labels) + sum(len(labels) for labels in plan.auxiliary.values())
    records = sum(records_of(snapshots[role], split.split) for role, split in plan.splits.items())
    return records * (columns * 4 * _COPIES + _BYTES_BESIDE)


def check_memory(needed: int) -> None:
    """Refuse a run whose tables the machine cannot hold.

    Raises:
        FailedPrecondition: less memory is available; the message says how much there is.
    """
    available = available_bytes()
    if available is not None and needed > available:
        raise FailedPrecondition(
            f"The targets of this training take {needed / _GIB:.1f} GiB of memory, and {available / _GIB:.1f} GiB are "
            "available here; learn fewer labels, set the recipe's auxiliary to 0, or train on a larger machine.",
            needed_bytes=needed,
            available_bytes=available,
        )


def available_bytes(meminfo: Path = Path("/proc/meminfo")) -> int | None:
    """Memory that programs can still take, as the kernel estimates it; None where it does not say."""
    try:
        lines = meminfo.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)
