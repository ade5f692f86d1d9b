"""The rules of traffic and their counts, in two files: rules are written when they are set, counts now and then."""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from precordia.catalog import ModelRef
from precordia.errors import PrecordiaError
from precordia.traffic import TrafficRule
from services.inference.traffic.differences import TrafficCounts

log = logging.getLogger(__name__)

_BROKEN = (OSError, ValueError, KeyError, TypeError, AttributeError, PrecordiaError)


@dataclass(frozen=True)
class KeptRule:
    """A rule, when its candidate was named (None where the file does not say it), and what was counted for it."""

    rule: TrafficRule
    set_at: datetime | None = None
    counts: TrafficCounts = field(default_factory=TrafficCounts)


class TrafficFiles:
    """Keeps rules and counts over restarts. Each file is replaced as a whole, never half written.

    Args:
        rules: the file of rules; counts lie beside it, `traffic.json` and `traffic_counts.json`.
    """

    def __init__(self, rules: Path) -> None:
        self._rules = rules
        self._counts = rules.with_name(f"{rules.stem}_counts.json")

    def read(self) -> list[KeptRule]:
        """The rules with their counts. What cannot be read counts from nothing, and the log says so."""
        try:
            kept = [KeptRule(_rule(one), _time(one.get("set_at"))) for one in json.loads(self._rules.read_text())]
        except FileNotFoundError:
            return []
        except _BROKEN:
            log.warning("the rules of traffic cannot be read; all requests go to the versions in service")
            return []
        counts = self._read_counts()
        return [replace(one, counts=counts[_key(one)]) if _key(one) in counts else one for one in kept]

    def write_rules(self, kept: Sequence[KeptRule]) -> None:
        """Keeps the rules.

        Raises:
            OSError: the file cannot be written.
        """
        rows = [
            {
                "model": str(one.rule.model),
                "candidate_version": one.rule.candidate_version,
                "canary_percent": one.rule.canary_percent,
                "shadow_percent": one.rule.shadow_percent,
                "set_at": one.set_at.isoformat() if one.set_at else None,
            }
            for one in kept
        ]
        _replace(self._rules, json.dumps(rows, indent=1))

    def write_counts(self, counts: str) -> None:
        """Keeps what `counts_text` made; a disk that is full costs the counts, and no answer."""
        try:
            _replace(self._counts, counts)
        except OSError as error:
            log.warning("the counts of traffic cannot be kept (%s)", type(error).__name__)

    def _read_counts(self) -> Mapping[str, TrafficCounts]:
        try:
            return {key: TrafficCounts.from_json(one) for key, one in json.loads(self._counts.read_text()).items()}
        except FileNotFoundError:
            return {}
        except _BROKEN:
            log.warning("the counts of traffic cannot be read; they begin again")
            return {}


def counts_text(kept: Sequence[KeptRule]) -> str:
    """Counts as they stand, for `write_counts`."""
    return json.dumps({_key(one): one.counts.to_json() for one in kept}, indent=1)


def _key(kept: KeptRule) -> str:
    """Counts of an earlier trial of the same candidate are none of this one: it was set at another time."""
    return f"{kept.rule.model} {kept.rule.candidate_version} {kept.set_at.isoformat() if kept.set_at else ''}"


def _rule(kept: Mapping[str, Any]) -> TrafficRule:
    return TrafficRule(
        ModelRef.parse(kept["model"]),
        int(kept["candidate_version"]),
        float(kept["canary_percent"]),
        float(kept["shadow_percent"]),
    )


def _time(kept: str | None) -> datetime | None:
    return datetime.fromisoformat(kept) if kept else None


def _replace(file: Path, text: str) -> None:
    fresh = file.with_name(f"{file.name}.{os.getpid()}.new")
    with contextlib.suppress(FileExistsError):
        file.parent.mkdir(parents=True, exist_ok=True)
    fresh.write_text(text)
    fresh.replace(file)
