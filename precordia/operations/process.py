"""Which process holds an operation, so that a restart on the same host need not wait for a lease."""

from __future__ import annotations

import os
import uuid
from pathlib import Path


def new_worker() -> str:
    """A name for one holder of leases: where its process runs, and something unique."""
    return f"{_place(os.getpid())}/{uuid.uuid4().hex[:12]}"


def is_dead(worker: str) -> bool:
    """True where the process behind this name certainly ran here and has ended; else the lease decides."""
    place = worker.rpartition("/")[0]
    here, _, process = place.rpartition("|")
    if not here or here != _here():
        return False
    pid = process.partition("@")[0]
    return _place(int(pid)) != place


def _place(pid: int) -> str:
    return f"{_here()}|{pid}@{_started(pid)}"


def _here() -> str:
    """This boot of this host and this process namespace; empty where the system does not tell."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}:{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return ""


def _started(pid: int) -> str:
    """Start time of a process in clock ticks since boot, since ids come again; empty where it has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
    state, *rest = stat.rpartition(")")[2].split()
    return "" if state in "ZX" else rest[18]
