"""Ports for services that must have the same one again."""

from __future__ import annotations

import random
import socket

_RANGE = range(20_000, 30_000)
"""Below those that the system gives to whoever asks for any: nobody else gets one by chance meanwhile."""
_given: set[int] = set()


def free_port() -> int:
    """A port of this host that nobody uses; a different one at each call."""
    while True:
        port = random.SystemRandom().choice(_RANGE)
        if port in _given:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port
