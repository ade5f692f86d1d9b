"""Where the four services are: said, in the environment, in the home folder, or at their usual ports."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from precordia.home import home_folder

PORTS: Mapping[str, int] = {"ingest": 50051, "inference": 50052, "trainer": 50053, "registry": 50054}
"""Usual ports by service."""

SERVICES = tuple(PORTS)


def address_file(service: str, home: Path | None = None) -> Path:
    """Where a running service writes its address."""
    return (home or home_folder()) / "run" / f"{service}.json"


def address_of(service: str) -> str:
    """host:port of a service: PRECORDIA_<SERVICE>, its address file, or 127.0.0.1 and its usual port."""
    said = os.environ.get(f"PRECORDIA_{service.upper()}")
    return said or _written_address(service) or f"127.0.0.1:{PORTS[service]}"


def _written_address(service: str) -> str:
    try:
        value = json.loads(address_file(service).read_text("utf-8"))
    except (OSError, ValueError):
        return ""
    address = value.get("address") if isinstance(value, dict) else None
    return address if isinstance(address, str) else ""


@dataclass(frozen=True)
class Addresses:
    """host:port of each service; an empty one is found as `address_of` says."""

    ingest: str = ""
    inference: str = ""
    trainer: str = ""
    registry: str = ""

    def of(self, service: str) -> str:
        """host:port of one service."""
        said: str = getattr(self, service)
        return said or address_of(service)
