"""Which ECGs calibrate, which choose between ways to quantize, and which judge the result.

A patient is on one side only: what a model was calibrated on says nothing of how well it does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from precordia.manifest import Task
from precordia.shard import Shard
from services.inference.quantization.order import Order, shards
from services.inference.scoring.scores import EcgJob

CALIBRATING, CHOOSING = 128, 96
"""ECGs at most: ranges settle within some tens."""

_SHARE = 96
"""Of 256: patients that calibrate, where one split must do for both."""


@dataclass(frozen=True, eq=False)
class Record:
    """One ECG, and what the dataset says of it: a row by asked output, NaN where it says nothing."""

    job: EcgJob
    truth: NDArray[np.float64]


class Sides:
    """The records of an order, by what they are for."""

    def __init__(self, folder: Path, order: Order) -> None:
        self._folder, self._order = folder, order
        self._manifest = order.manifest
        whole = [_people(shard) for _, shard in shards(folder, order.calibration)]
        people = [who for shard in whole for who in shard]
        on_this_side = [bool(order.check) or _calibrates(who) for who in people]
        self._patients = {who for who, here in zip(people, on_this_side, strict=True) if here}
        places = np.flatnonzero(on_this_side)
        self._calibrating, self._choosing = _two_parts(places)

    @property
    def calibrating(self) -> int:
        """How many set the ranges."""
        return len(self._calibrating)

    @property
    def choosing(self) -> int:
        """How many choose between ways."""
        return len(self._choosing)

    def checking(self) -> int:
        """How many judge."""
        people = (who for _, shard in shards(self._folder, self._judges) for who in _people(shard))
        return sum(who not in self._patients for who in people)

    def to_calibrate(self) -> Iterator[Record]:
        """Those that set the ranges."""
        return self._at(self._calibrating)

    def to_choose(self) -> Iterator[Record]:
        """Those that choose; of the same side, and others wherever there are enough."""
        return self._at(self._choosing)

    def to_check(self) -> Iterator[Record]:
        """Those that judge: of patients that neither calibrated nor chose."""
        return self._read(self._judges, lambda who, place: who not in self._patients)

    def shared(self) -> int:
        """ECGs of the check that are left out, because their patients calibrated."""
        if not self._order.check:
            return 0
        people = (who for _, shard in shards(self._folder, self._order.check) for who in _people(shard))
        return sum(who in self._patients for who in people)

    @property
    def _judges(self) -> list[str]:
        return self._order.check or self._order.calibration

    def _at(self, places: NDArray[np.int64]) -> Iterator[Record]:
        wanted = set(places.tolist())
        return self._read(self._order.calibration, lambda who, place: place in wanted)

    def _read(self, names: list[str], wanted: Callable[[str, int], bool]) -> Iterator[Record]:
        for first, shard in shards(self._folder, names):
            truth = _truth(shard, self._order, self._manifest.task)
            for row, who in enumerate(_people(shard)):
                if wanted(who, first + row):
                    job = EcgJob(shard.signal(row), shard.ages[row], shard.sexes[row], self._order.temperature)
                    yield Record(job, truth[row])


def _people(shard: Shard) -> list[str]:
    """A key of each record's patient; a record without one is a patient of its own."""
    return [
        f"patient {key}" if key else f"recording {recording}"
        for key, recording in zip(shard.patients, shard.recording_ids, strict=True)
    ]


def _calibrates(who: str) -> bool:
    return hashlib.sha256(who.encode()).digest()[0] < _SHARE


def _two_parts(places: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Places that calibrate and places that choose, spread evenly; the same ones where there are few."""
    if len(places) < 2 * CHOOSING:
        return places[:CALIBRATING], places[-CHOOSING:]
    chosen = places[np.linspace(0, len(places) - 1, min(len(places), CALIBRATING + CHOOSING)).astype(np.int64)]
    turn = np.arange(len(chosen)) * CHOOSING // len(chosen)
    choose = np.diff(turn, prepend=-1) > 0
    return chosen[~choose], chosen[choose]


def _truth(shard: Shard, order: Order, task: Task) -> NDArray[np.float64]:
    if task is Task.REGRESSION:
        return np.stack([shard.numeric(name) for name in order.asked], axis=1)
    truth = shard.targets(order.label_group, order.asked).astype(np.float64)
    truth[~shard.known(order.label_group)] = np.nan
    return truth
