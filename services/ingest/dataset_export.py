"""A split of a dataset as files for a notebook: one NPZ of arrays, and a table of the same labels.

Both are written to files without a name, a record at a time, so that a split need not fit in memory.
"""

from __future__ import annotations

import csv
import io
import re
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from precordia.dataset import SplitRef
from precordia.errors import UnsupportedView
from precordia.leads import STANDARD_LEADS
from precordia.shard import Shard
from precordia.signal import resampled_length
from services.ingest.views import at_rate, check_rate

FORMATS = ("npz",)


@dataclass(frozen=True)
class ExportedSplit:
    """One file of it, open at its start; whoever takes it closes it."""

    name: str
    file: IO[bytes]


@dataclass(frozen=True)
class _Make:
    """What the array of samples looks like: (records, leads, samples)."""

    records: int
    leads: tuple[str, ...]
    samples: int
    rate_hz: float
    unit: str


Groups = Mapping[str, Sequence[str]]
"""Labels of each label group, in column order."""

Shards = Callable[[], Iterator[Shard]]
"""Goes through the shards of the split, from the first, each time it is called."""


def export_split(
    ref: SplitRef,
    shards: Shards,
    groups: Groups,
    folder: Path,
    *,
    file_format: str = "npz",
    sample_rate_hz: float | None = None,
) -> Iterator[ExportedSplit]:
    """`<dataset>-<split>.npz` and `<dataset>-<split>-labels.csv`.

    In the NPZ: `x`, float32 (records, leads, samples), NaN where a record is shorter or has no such
    lead; `samples`, the length of each record; `leads`, `rate_hz`, `unit`; `recording_ids`,
    `source_records`, `patients`, `folds`, `ages`, `sexes`; for each label group `y_<group>` (1 present,
    0 absent, 255 not known) with `labels_<group>`; for each number `target_<name>`.

    Args:
        ref: what is exported.
        shards: its records.
        groups: the snapshot's label groups: every split has the same columns.
        folder: where there is room for files on their way.
        file_format: one of FORMATS.
        sample_rate_hz: resample every record to this rate.

    Raises:
        UnsupportedView: a format that is not made here, no records, or records of several rates or units.
        InvalidArgument: a rate that cannot be.
    """
    if file_format not in FORMATS:
        raise UnsupportedView(f"There is no dataset export to '{file_format[:16]}'; there is: {', '.join(FORMATS)}.")
    if sample_rate_hz is not None:
        check_rate(sample_rate_hz)
    make = _make(shards, sample_rate_hz)
    name = re.sub(r"[^A-Za-z0-9._-]", "_", "-".join(filter(None, (ref.dataset, ref.split))))
    folder.mkdir(parents=True, exist_ok=True)
    yield ExportedSplit(f"{name}.npz", _npz(shards, groups, make, folder))
    yield ExportedSplit(f"{name}-labels.csv", io.BytesIO(_table(shards, groups).encode()))


def _make(shards: Shards, rate_hz: float | None) -> _Make:
    records, lengths, leads, rates, units = 0, [0], set[str](), set[float](), set[str]()
    for shard in shards():
        records += shard.records
        for signal in map(shard.signal, range(shard.records)):
            leads.update(signal.leads)
            units.add(signal.unit.value)
            rates.add(rate_hz or signal.sample_rate_hz)
            lengths.append(_length(signal.values.shape[1], signal.sample_rate_hz, rate_hz))
    if not records:
        raise UnsupportedView("The split has no records.")
    if len(rates) > 1:
        raise UnsupportedView("The records have several sampling rates; bring them to one with --rate.")
    if len(units) > 1:
        raise UnsupportedView("Some records are in millivolts and some are standardised; export them apart.")
    ordered = tuple(lead for lead in STANDARD_LEADS if lead in leads)
    return _Make(records, ordered, max(lengths), rates.pop(), units.pop())


def _length(samples: int, from_hz: float, to_hz: float | None) -> int:
    return samples if to_hz is None or to_hz == from_hz else resampled_length(samples, from_hz=from_hz, to_hz=to_hz)


def _npz(shards: Shards, groups: Groups, make: _Make, folder: Path) -> IO[bytes]:
    file: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - the taker closes it, and then it is gone
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        lengths = _write_samples(archive, shards, make)
        arrays = {"samples": np.array(lengths, np.int64), "rate_hz": np.float64(make.rate_hz)}
        arrays |= {"leads": np.array(make.leads), "unit": np.array(make.unit)} | _columns(list(_facts(shards)), groups)
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as entry:
                np.lib.format.write_array(entry, np.asarray(array), allow_pickle=False)
    file.seek(0)
    return file


def _write_samples(archive: zipfile.ZipFile, shards: Shards, make: _Make) -> list[int]:
    """`x`, record after record; returns each record's length."""
    lengths = []
    with archive.open("x.npy", "w", force_zip64=True) as entry:
        shape = (make.records, len(make.leads), make.samples)
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(entry, header)
        for shard in shards():
            for number in range(shard.records):
                signal = shard.signal(number)
                values = signal.values
                if signal.sample_rate_hz != make.rate_hz:
                    values = at_rate(values, signal.sample_rate_hz, make.rate_hz)
                row = np.full(shape[1:], np.nan, "<f4")
                row[[make.leads.index(lead) for lead in signal.leads], : values.shape[1]] = values
                entry.write(row.tobytes())
                lengths.append(int(values.shape[1]))
    return lengths


@dataclass(frozen=True)
class _Facts:
    """What a shard says besides samples."""

    ids: Sequence[str]
    sources: Sequence[str]
    patients: Sequence[str]
    folds: Sequence[str]
    ages: Sequence[float | None]
    sexes: Sequence[str]
    groups: dict[str, list[str]]
    targets: dict[str, NDArray[np.uint8]]
    known: dict[str, NDArray[np.bool_]]
    numbers: dict[str, NDArray[np.float64]]


def _facts(shards: Shards) -> Iterator[_Facts]:
    for shard in shards():
        yield _Facts(
            shard.recording_ids,
            shard.source_records,
            shard.patients,
            shard.folds,
            shard.ages,
            [sex.value if sex else "" for sex in shard.sexes],
            dict(shard.groups),
            {group: shard.targets(group, labels) for group, labels in shard.groups.items()},
            {group: shard.known(group) for group in shard.groups},
            {name: shard.numeric(name) for name in shard.numeric_names},
        )


def _columns(facts: Sequence[_Facts], groups: Groups) -> dict[str, Any]:
    columns: dict[str, Any] = {
        "recording_ids": np.array([name for one in facts for name in one.ids]),
        "source_records": np.array([name for one in facts for name in one.sources]),
        "patients": np.array([name for one in facts for name in one.patients]),
        "folds": np.array([name for one in facts for name in one.folds]),
        "ages": np.array([np.nan if age is None else age for one in facts for age in one.ages]),
        "sexes": np.array([name for one in facts for name in one.sexes]),
    }
    for group, labels in groups.items():
        ending = f"_{re.sub(r'[^A-Za-z0-9_-]', '_', group)}" if group else ""
        columns[f"y{ending}"] = np.concatenate([_targets(one, group, labels) for one in facts])
        columns[f"labels{ending}"] = np.array(labels)
    for name in dict.fromkeys(name for one in facts for name in one.numbers):
        values = [one.numbers.get(name, np.full(len(one.ids), np.nan)) for one in facts]
        columns[f"target_{re.sub(r'[^A-Za-z0-9_-]', '_', name)}"] = np.concatenate(values)
    return columns


def _targets(facts: _Facts, group: str, labels: Sequence[str]) -> NDArray[np.uint8]:
    """(records, labels) of one shard; a label that the shard does not have is absent where the group is known."""
    if group not in facts.targets:
        return np.full((len(facts.ids), len(labels)), 255, np.uint8)
    here, found = facts.groups[group], facts.targets[group]
    targets = np.zeros((len(facts.ids), len(labels)), np.uint8)
    for column, label in enumerate(labels):
        if label in here:
            targets[:, column] = found[:, here.index(label)]
    targets[~facts.known[group]] = 255
    return targets


def _table(shards: Shards, groups: Groups) -> str:
    """One row a record; label columns `group:label` hold 1, 0, or nothing where not known."""
    facts = list(_facts(shards))
    numbers = list(dict.fromkeys(name for one in facts for name in one.numbers))
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    named = [f"{group}:{label}" if group else label for group, labels in groups.items() for label in labels]
    rows.writerow(["recording_id", "source_record", "patient", "fold", "age_years", "sex", *named, *numbers])
    for one in facts:
        matrices = [_targets(one, group, labels) for group, labels in groups.items()]
        joined = np.concatenate(matrices, axis=1) if matrices else np.zeros((len(one.ids), 0), np.uint8)
        for place, name in enumerate(one.ids):
            said = [one.numbers[number][place] if number in one.numbers else np.nan for number in numbers]
            rows.writerow(
                [name, one.sources[place], one.patients[place], one.folds[place], one.ages[place], one.sexes[place]]
                + ["" if cell == 255 else int(cell) for cell in joined[place]]
                + ["" if np.isnan(value) else repr(float(value)) for value in said]
            )
    return text.getvalue()
