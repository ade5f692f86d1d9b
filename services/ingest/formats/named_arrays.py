"""Files of named arrays (NPZ, MAT): finding the signal among them, and the facts beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from precordia.errors import InvalidArgument, MissingField, UnreadableFile
from precordia.record import Hints, Native
from services.ingest.formats import fact_names
from services.ingest.formats.blocks import BlockFacts, Numbers, block_ecg, native
from services.ingest.formats.facts import parse_age, parse_sex, resolve_rate
from services.ingest.formats.limits import Limits
from services.ingest.formats.orientation import LEADS_BY_SAMPLES, orientation
from services.ingest.formats.parsed import ParsedEcg

Texts = tuple[str, ...]
Named = Mapping[str, Numbers | Texts]
"""By path: a struct's field is `struct.field`."""


@dataclass(frozen=True, eq=False)
class Signals:
    """The arrays that hold signals, by path, and the channels that are known by name."""

    arrays: dict[str, Numbers]
    channels: int | None


def read_named(named: Named, hints: Hints, limits: Limits) -> tuple[ParsedEcg, ...]:
    """All recordings in a file of named arrays.

    Raises:
        MissingField: several arrays could be the signal, or a fact is missing.
    """
    facts = stated_facts(named)
    signals = find_signals(named, facts, hints)
    rate_hz = resolve_rate(facts.sample_rate_hz, hints)
    recordings: list[ParsedEcg] = []
    for path, array in signals.arrays.items():
        blocks = as_blocks(array, signals.channels, limits)
        ids = _record_ids(named, len(blocks), path if len(signals.arrays) > 1 else "")
        limits.check_recordings(len(recordings) + len(blocks))
        recordings += [
            block_ecg(block, rate_hz, facts, hints, source_record=record)
            for block, record in zip(blocks, ids, strict=True)
        ]
    return tuple(recordings)


def as_blocks(array: Numbers, channels: int | None, limits: Limits) -> Sequence[Native]:
    """An array of one to three axes as blocks of (channels, samples).

    With three axes the first one counts recordings.
    """
    shaped = _with_three_axes(array)
    limits.check_recordings(shaped.shape[0])
    if signal_layout(array, channels) != LEADS_BY_SAMPLES:
        shaped = shaped.transpose(0, 2, 1)
    limits.check_samples(shaped.shape[1], shaped.shape[2])
    limits.check_samples(1, shaped.size)
    blocks: Sequence[Native] = native(np.ascontiguousarray(shaped))  # type: ignore[assignment]  # rows of an array
    return blocks


def signal_layout(array: Numbers, channels: int | None) -> str:
    """Which of an array's last two axes is time; a single channel may be an axis of length 1."""
    _, first, second = _with_three_axes(array).shape
    return orientation(first, second, 1 if channels is None and 1 in (first, second) else channels)


def _with_three_axes(array: Numbers) -> Numbers:
    if not 1 <= array.ndim <= 3 or array.size == 0:
        raise UnreadableFile(f"An array of {array.ndim} axes is no signal; it takes one, two or three.")
    return array.reshape((1,) * (3 - array.ndim) + array.shape)


def find_signals(named: Named, facts: BlockFacts, hints: Hints) -> Signals:
    """The arrays that are signals: the one hinted at, the only one, or several of one shape."""
    arrays = {path: array for path, array in named.items() if isinstance(array, np.ndarray)}
    channels = len(facts.labels) or len(hints.lead_names) or None
    if hints.variable:
        if hints.variable not in arrays:
            raise InvalidArgument(
                f"The file has no array '{hints.variable[:32]}'; it has {_list(arrays)}.", field="variable"
            )
        return Signals({hints.variable: arrays[hints.variable]}, channels)
    found = {path: array for path, array in arrays.items() if _may_be_signal(path, array)}
    if not found:
        raise UnreadableFile("The file holds no array that could be a signal.")
    most = max(_axes(array) for array in found.values())
    found = {path: array for path, array in found.items() if _axes(array) == most}
    if len({(array.shape, array.dtype) for array in found.values()}) > 1:
        raise MissingField(
            f"Several arrays could be the signal: {_list(found)}; name one with --variable.", field="variable"
        )
    return Signals(found, channels)


def _may_be_signal(path: str, array: Numbers) -> bool:
    return _last(path) not in fact_names.KNOWN and array.dtype.kind in "iuf" and 1 <= array.ndim <= 3 and array.size > 1


def _axes(array: Numbers) -> tuple[int, int]:
    return sum(size > 1 for size in array.shape), array.ndim


def _last(path: str) -> str:
    return path.rpartition(".")[2].lower()


def _list(paths: Mapping[str, object]) -> str:
    shown = [path[:32] for path in list(paths)[:8]]
    return ", ".join(shown) + (" ..." if len(paths) > 8 else "")


def stated_facts(named: Named) -> BlockFacts:
    """Rate, names, units, gains, age and sex, wherever in the file they stand."""
    return BlockFacts(
        sample_rate_hz=_rate(named),
        labels=_texts(named, fact_names.LEADS),
        units=_texts(named, fact_names.UNIT),
        gains=_gains(named),
        baselines=_numbers(named, fact_names.BASELINE),
        age_years=_age(named),
        sex=parse_sex(next(iter(_texts(named, fact_names.SEX)), "")),
    )


def _rate(named: Named) -> float | None:
    values = set(_numbers(named, fact_names.RATE))
    if len(values) > 1:
        raise UnreadableFile("The file states several sampling rates.", field="sample_rate_hz")
    return values.pop() if values else None


def _age(named: Named) -> float | None:
    stated = _numbers(named, fact_names.AGE)
    return parse_age(f"{stated[0]:g}") if len(stated) == 1 else None


def _gains(named: Named) -> tuple[float, ...]:
    scales, gains = _numbers(named, fact_names.SCALE), _numbers(named, fact_names.GAIN)
    if gains or not scales:
        return gains
    if not all(scales):
        raise UnreadableFile("The file states a gain or scale of 0.")
    return tuple(1 / scale for scale in scales)


def _numbers(named: Named, names: frozenset[str]) -> tuple[float, ...]:
    found: list[float] = []
    for path, value in named.items():
        if _last(path) in names and isinstance(value, np.ndarray) and value.dtype.kind in "iuf" and value.size <= 4096:
            found += [float(number) for number in value.ravel().tolist()]
    return tuple(found)


def _texts(named: Named, names: frozenset[str]) -> Texts:
    for path, value in named.items():
        if _last(path) in names and not isinstance(value, np.ndarray):
            return tuple(text.strip() for text in value)
    return ()


def _record_ids(named: Named, count: int, path: str) -> Sequence[str]:
    """The source's own names of its recordings: an id array, else the array's path and the place."""
    for name, value in named.items():
        if _last(name) in fact_names.RECORD_ID and not path:
            ids = _as_texts(value)
            if len(ids) == count:
                return ids
    if count == 1:
        return (path,)
    return tuple(f"{path}/{index}" if path else str(index) for index in range(count))


def _as_texts(value: NDArray[np.generic] | Texts) -> Texts:
    if not isinstance(value, np.ndarray):
        return value
    return tuple(str(entry) for entry in value.ravel().tolist()) if value.dtype.kind in "iu" else ()
