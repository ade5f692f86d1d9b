"""A shard: the records of one split of a snapshot, packed for reading by training and evaluation.

Layout, all little-endian: the magic `PRCSHRD1`, the header's length (uint64), the header (JSON,
UTF-8), zero bytes up to a multiple of 64, the target matrices (uint8, records x labels, one after
the other in the order of the header's groups), again zero bytes up to a multiple of 64, then the
samples, record after record, lead-major. The header names the layouts that occur (leads, rate, unit,
applied steps, number type) once; each record points to one.

Samples are float32. Where they are all whole numbers over one gain, they are kept as int16 counts
and come back bit by bit the same, in half the bytes; -32768 stands for a missing sample.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from precordia.errors import PrecordiaError, UnreadableFile
from precordia.record import Sex, Signal, Unit
from precordia.steps import Step

MAGIC = b"PRCSHRD1"
MISSING_COUNT = -32768
MAX_HEADER_BYTES = 256 << 20
_ALIGN = 64
_COUNTS = np.dtype("<i2")
_FLOATS = np.dtype("<f4")

Bytes = bytes | bytearray | memoryview


@dataclass(frozen=True, eq=False)
class ShardRecord:
    """One record of a split with its targets.

    Attributes:
        targets: label group -> labels present. A group that is not named is unknown for this
            record; a group with an empty tuple is known, and none of its labels holds.
        numeric: value by name, for regression.
        gain: counts per unit that the source's integers had, where it had any: a hint to the
            packing, which checks it.
    """

    recording_id: str
    source_record: str
    signal: Signal
    targets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    numeric: Mapping[str, float] = field(default_factory=dict)
    patient_key: str = ""
    fold: str = ""
    age_years: float | None = None
    sex: Sex | None = None
    gain: float | None = None


@dataclass(frozen=True)
class _Layout:
    """What records of equal make share. `gain` None = float32 samples."""

    leads: tuple[str, ...]
    samples: int
    sample_rate_hz: float
    unit: Unit
    applied: tuple[Step, ...]
    derived: tuple[str, ...]
    gain: float | None

    @property
    def dtype(self) -> np.dtype[Any]:
        return _FLOATS if self.gain is None else _COUNTS

    @property
    def size_bytes(self) -> int:
        return len(self.leads) * self.samples * self.dtype.itemsize

    def unpack(self, raw: NDArray[Any]) -> NDArray[np.float32]:
        """Samples as float32; counts are divided by the gain in float64, as they were made."""
        if self.gain is None:
            return raw.astype(np.float32)
        values: NDArray[np.float32] = (raw / np.float64(self.gain)).astype(np.float32)
        values[raw == MISSING_COUNT] = np.nan
        return values

    def to_json(self) -> dict[str, Any]:
        return {
            "leads": list(self.leads),
            "samples": self.samples,
            "sample_rate_hz": self.sample_rate_hz,
            "unit": self.unit.value,
            "applied": [step.to_json() for step in self.applied],
            "derived": list(self.derived),
            "gain": self.gain,
        }

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> _Layout:
        gain = value["gain"]
        layout = _Layout(
            leads=tuple(str(lead) for lead in value["leads"]),
            samples=int(value["samples"]),
            sample_rate_hz=float(value["sample_rate_hz"]),
            unit=Unit(value["unit"]),
            applied=tuple(Step.from_json(step) for step in value["applied"]),
            derived=tuple(str(lead) for lead in value["derived"]),
            gain=None if gain is None else float(gain),
        )
        if layout.samples < 0 or (layout.gain is not None and not layout.gain > 0):
            raise _damaged("a layout that cannot be")
        return layout


def exact_counts(values: NDArray[np.float32], gain: float) -> NDArray[np.int16] | None:
    """The values as whole counts over `gain`, or None where that would not give them back exactly."""
    missing = np.isnan(values)
    counts = np.round(np.where(missing, 0.0, values).astype(np.float64) * gain)
    if counts.size and (counts.max() > 32767 or counts.min() <= MISSING_COUNT):
        return None
    known = np.where(missing, np.float32(0.0), values)
    if not np.array_equal((counts / gain).astype(np.float32), known):
        return None
    counts[missing] = MISSING_COUNT
    return counts.astype(np.int16)


def _packed(record: ShardRecord) -> tuple[_Layout, bytes]:
    signal = record.signal
    gain, raw = None, np.ascontiguousarray(signal.values, dtype=_FLOATS)
    # aVR, aVL and aVF, where derived, fall on half counts.
    for candidate in (record.gain, record.gain * 2) if record.gain else ():
        counts = exact_counts(signal.values, candidate)
        if counts is not None:
            gain, raw = candidate, counts.astype(_COUNTS)
            break
    layout = _Layout(
        signal.leads,
        int(signal.values.shape[1]),
        signal.sample_rate_hz,
        signal.unit,
        signal.applied,
        signal.derived,
        gain,
    )
    return layout, raw.tobytes()


def _padding(size: int) -> bytes:
    return bytes(-size % _ALIGN)


def _groups(records: Sequence[ShardRecord]) -> dict[str, list[str]]:
    """Label groups and labels in order of appearance."""
    groups: dict[str, dict[str, None]] = {}
    for record in records:
        for group, labels in record.targets.items():
            groups.setdefault(group, {}).update(dict.fromkeys(labels))
    return {group: list(labels) for group, labels in groups.items()}


def _target_matrix(records: Sequence[ShardRecord], group: str, labels: Sequence[str]) -> bytes:
    """One byte a record and label: 0 absent, 1 present, 255 not known."""
    matrix = np.full((len(records), len(labels)), 255, dtype=np.uint8)
    column = {label: index for index, label in enumerate(labels)}
    for row, record in enumerate(records):
        if group in record.targets:
            matrix[row] = 0
            matrix[row, [column[label] for label in record.targets[group]]] = 1
    return matrix.tobytes()


def encode_shard(records: Sequence[ShardRecord]) -> bytes:
    """Pack records. Equal records give equal bytes, so that a shard can be addressed by its hash."""
    layouts: dict[_Layout, int] = {}
    of_record, samples = [], []
    for record in records:
        layout, raw = _packed(record)
        of_record.append(layouts.setdefault(layout, len(layouts)))
        samples.append(raw)
    groups = _groups(records)
    header = json.dumps(_header(records, groups, list(layouts), of_record), ensure_ascii=False).encode()
    targets = b"".join(_target_matrix(records, group, labels) for group, labels in groups.items())
    start = MAGIC + len(header).to_bytes(8, "little") + header
    return b"".join([start, _padding(len(start)), targets, _padding(len(targets)), *samples])


def _header(
    records: Sequence[ShardRecord],
    groups: Mapping[str, list[str]],
    layouts: Sequence[_Layout],
    of_record: Sequence[int],
) -> dict[str, Any]:
    return {
        "layouts": [layout.to_json() for layout in layouts],
        "layout_of_record": list(of_record),
        "groups": [{"name": name, "labels": labels} for name, labels in groups.items()],
        "known": {name: [int(name in record.targets) for record in records] for name in groups},
        "recording_ids": [record.recording_id for record in records],
        "source_records": [record.source_record for record in records],
        "patients": [record.patient_key for record in records],
        "folds": [record.fold for record in records],
        "ages": [record.age_years for record in records],
        "sexes": [record.sex.value if record.sex else "" for record in records],
        "numeric": [dict(record.numeric) for record in records],
    }


class Shard:
    """A decoded shard: a view over its bytes; samples are unpacked when they are asked for."""

    def __init__(self, header: Mapping[str, Any], targets: memoryview, samples: memoryview) -> None:
        self._layouts = [_Layout.from_json(layout) for layout in header["layouts"]]
        self._of_record = [int(index) for index in header["layout_of_record"]]
        self.groups = {str(group["name"]): [str(x) for x in group["labels"]] for group in header["groups"]}
        self._known = {name: np.array(header["known"][name], dtype=np.bool_) for name in self.groups}
        self.recording_ids: list[str] = [str(value) for value in header["recording_ids"]]
        self.source_records: list[str] = [str(value) for value in header["source_records"]]
        self.patients: list[str] = [str(value) for value in header["patients"]]
        self.folds: list[str] = [str(value) for value in header["folds"]]
        self.ages: list[float | None] = [None if value is None else float(value) for value in header["ages"]]
        self.sexes: list[Sex | None] = [Sex(value) if value else None for value in header["sexes"]]
        self._numeric = [{str(k): float(v) for k, v in row.items()} for row in header["numeric"]]
        self._check_columns()
        self._matrices = self._split_targets(targets)
        self._samples = samples
        self._offsets = self._sample_offsets()

    def __len__(self) -> int:
        return self.records

    @property
    def records(self) -> int:
        """Number of records."""
        return len(self._of_record)

    def _check_columns(self) -> None:
        columns: list[Sequence[object]] = [
            self.recording_ids,
            self.source_records,
            self.patients,
            self.folds,
            self.ages,
            self.sexes,
        ]
        columns.append(self._numeric)
        lengths = {len(column) for column in columns}
        lengths |= {known.size for known in self._known.values()}
        if lengths - {self.records} or any(not 0 <= i < len(self._layouts) for i in self._of_record):
            raise _damaged("columns of unequal length")

    def _split_targets(self, targets: memoryview) -> dict[str, NDArray[np.uint8]]:
        matrices, start = {}, 0
        for name, labels in self.groups.items():
            end = start + self.records * len(labels)
            if end > len(targets):
                raise _damaged("targets that end too early")
            flat = np.frombuffer(targets[start:end], dtype=np.uint8)
            matrices[name] = flat.reshape(self.records, len(labels))
            start = end
        return matrices

    def _sample_offsets(self) -> list[int]:
        offsets = [0]
        for index in self._of_record:
            offsets.append(offsets[-1] + self._layouts[index].size_bytes)
        if offsets[-1] != len(self._samples):
            raise _damaged("another number of samples than announced")
        return offsets

    def values(self, i: int) -> NDArray[np.float32]:
        """Samples of record `i`, float32 (leads, samples), NaN where missing."""
        layout = self._layouts[self._of_record[i]]
        raw = np.frombuffer(self._samples[self._offsets[i] : self._offsets[i + 1]], dtype=layout.dtype)
        return layout.unpack(raw.reshape(len(layout.leads), layout.samples))

    def signal(self, i: int) -> Signal:
        """Record `i` as a signal."""
        layout = self._layouts[self._of_record[i]]
        return Signal(
            values=self.values(i),
            leads=layout.leads,
            sample_rate_hz=layout.sample_rate_hz,
            unit=layout.unit,
            applied=layout.applied,
            derived=layout.derived,
        )

    @cached_property
    def dense(self) -> NDArray[np.float32] | None:
        """All samples, float32 (records, leads, samples), where every record is of one make; else None.

        One make: the same leads, length, rate, unit and applied steps. What was derived and how it is
        packed does not matter.
        """
        makes = {(x.leads, x.samples, x.sample_rate_hz, x.unit, x.applied) for x in self._layouts}
        if len(makes) != 1:
            return None
        if len(self._layouts) > 1:
            return np.stack([self.values(i) for i in range(self.records)])
        layout = self._layouts[0]
        raw = np.frombuffer(self._samples, dtype=layout.dtype)
        return layout.unpack(raw.reshape(self.records, len(layout.leads), layout.samples))

    def targets(self, group: str, labels: Sequence[str] | None = None) -> NDArray[np.uint8]:
        """Targets of a group, uint8 (records, labels): 1 present, 0 absent, 0 also where not known.

        A label that no record of this shard has gives a column of zeros; `known` tells which rows count.
        """
        wanted = self.groups.get(group, []) if labels is None else list(labels)
        result = np.zeros((self.records, len(wanted)), dtype=np.uint8)
        here = {label: index for index, label in enumerate(self.groups.get(group, []))}
        for column, label in enumerate(wanted):
            if label in here:
                result[:, column] = self._matrices[group][:, here[label]] == 1
        return result

    def known(self, group: str) -> NDArray[np.bool_]:
        """Which records have an opinion on the group at all, bool (records,)."""
        return self._known.get(group, np.zeros(self.records, dtype=np.bool_))

    def labels(self, group: str) -> list[tuple[str, ...]]:
        """Labels of each record in the group."""
        names = self.groups.get(group, [])
        return [tuple(names[i] for i in np.flatnonzero(row)) for row in self.targets(group)]

    def numeric(self, name: str) -> NDArray[np.float64]:
        """A numeric target, float64 (records,), NaN where a record has none."""
        return np.array([row.get(name, np.nan) for row in self._numeric], dtype=np.float64)

    @property
    def numeric_names(self) -> tuple[str, ...]:
        """Numeric targets that occur, in order of appearance."""
        return tuple(dict.fromkeys(name for row in self._numeric for name in row))


def decode_shard(data: Bytes) -> Shard:
    """Open a packed shard without copying its samples.

    Raises:
        UnreadableFile: it is no shard, or it is damaged.
    """
    view = memoryview(data)
    if bytes(view[:8]) != MAGIC or len(view) < 16:
        raise UnreadableFile("These bytes are no shard of a snapshot.", format="shard")
    size = int.from_bytes(view[8:16], "little")
    if size > min(MAX_HEADER_BYTES, len(view) - 16):
        raise _damaged("a header longer than the shard")
    try:
        header = json.loads(bytes(view[16 : 16 + size]))
        start = 16 + size + len(_padding(16 + size))
        labels = sum(len(group["labels"]) for group in header["groups"])
        end = start + labels * len(header["layout_of_record"])
        return Shard(header, view[start:end], view[end + len(_padding(end - start)) :])
    except PrecordiaError as error:
        raise error if isinstance(error, UnreadableFile) else _damaged("a step or unit not known here") from error
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise _damaged("a header that does not fit") from error


def _damaged(what: str) -> UnreadableFile:
    return UnreadableFile(f"The shard is damaged: it has {what}. Fetch it again.", format="shard")
