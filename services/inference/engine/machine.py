"""What a measurement depends on besides the model: the processor, and the GPUs as their driver names them."""

from __future__ import annotations

import platform
from pathlib import Path


def accelerators(drivers: Path = Path("/proc/driver/nvidia/gpus")) -> list[str]:
    """Models of the GPUs, as their driver on Linux names them."""
    found = []
    for information in sorted(drivers.glob("*/information")):
        lines = information.read_text(errors="replace").splitlines()
        found += [line.partition(":")[2].strip() for line in lines if line.startswith("Model:")]
    return found


def processor() -> str:
    """The processor's own name, or what Python knows of it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
