"""Profiles kept as small files, so that a restart does not measure again."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from pathlib import Path

from services.inference.queueing.profile import Profile

log = logging.getLogger(__name__)


class ProfileCache:
    """Profiles by graph and device."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, graph_sha256: str, device: str) -> Profile | None:
        """The kept profile; None where there is none, or it cannot be read."""
        try:
            kept = json.loads(self._path(graph_sha256, device).read_text())
            times = {int(size): float(ms) for size, ms in kept["milliseconds"].items()}
            rates = {int(count): float(rate) for count, rate in kept["rates"].items()}
            profile = Profile(times, rates, int(kept["threads"]))
        except (OSError, ValueError, KeyError, AttributeError, TypeError):
            return None
        usable = times.get(1, 0) > 0 and profile.threads > 0 and min((*times.values(), *rates.values())) > 0
        return profile if usable else None

    def put(self, graph_sha256: str, device: str, profile: Profile) -> None:
        """Keeps a profile. Not being able to is logged and does no harm."""
        path = self._path(graph_sha256, device)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            fresh = path.with_suffix(f".{os.getpid()}.new")
            fresh.write_text(json.dumps({"device": device, **vars(profile)}))
            fresh.replace(path)
        except OSError:
            log.warning("a profile could not be kept", exc_info=True)

    def _path(self, graph_sha256: str, device: str) -> Path:
        key = hashlib.sha256(f"{graph_sha256}|{device}".encode()).hexdigest()
        return self._folder / f"{key}.json"
