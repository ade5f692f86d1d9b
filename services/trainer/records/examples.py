"""Examples: conditioned ECGs and what is true of them, as whole arrays.

A part of a dataset is a view: row numbers into one memory-mapped file. No sample is copied before
a batch asks for it, and nothing here is an object a record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from precordia.errors import InvalidTrainingSpec
from services.trainer.records.columns import Texts

Rows = NDArray[np.int64]


class Windows:
    """Windows of a larger array, by their row numbers there: indexed and measured like an array.

    Args:
        samples: float32 (all windows, leads, samples), usually memory-mapped.
        at: int64 (windows,), rows of `samples`.
    """

    def __init__(self, samples: NDArray[np.float32], at: Rows) -> None:
        self.samples = samples
        self.at = at

    def __len__(self) -> int:
        return len(self.at)

    @property
    def shape(self) -> tuple[int, ...]:
        """As an array's."""
        return (len(self.at), *self.samples.shape[1:])

    def __getitem__(self, rows: Rows | slice) -> NDArray[np.float32]:
        return gathered(self.samples, self.at[rows])

    def __array__(self, dtype: np.dtype[np.float32] | None = None, copy: bool | None = None) -> NDArray[np.float32]:
        return gathered(self.samples, self.at).astype(dtype or np.float32, copy=False)


def gathered(samples: NDArray[np.float32], rows: Rows) -> NDArray[np.float32]:
    """Rows of an array side by side in fresh memory, float32, C-contiguous."""
    plain = samples.view(np.ndarray)  # a memory map's own indexing costs more than the copy
    batch = np.empty((len(rows), *samples.shape[1:]), dtype=np.float32)
    np.take(plain, rows, axis=0, out=batch, mode="clip")  # "raise" would gather into a second buffer first
    return batch


@dataclass(frozen=True, eq=False)
class Examples:
    """Records of one part.

    Attributes:
        x: float32 (windows, leads, samples); a record longer than the model's input has several.
        record: int64 (windows,), row of `y` that a window belongs to; ascending.
        y: float32 (records, targets).
        auxiliary: float32 (records, further targets); may have no column.
        patients: one for each record: numbers from 1 on, equal where the patient is the same, or names,
            where an empty one is a patient of its own.
        recording_ids: one for each record.
        beside: float32 (records, co-inputs); None where the network takes none.
    """

    x: NDArray[np.float32] | Windows
    record: Rows
    y: NDArray[np.float32]
    auxiliary: NDArray[np.float32]
    patients: Rows | Sequence[str]
    recording_ids: Sequence[str]
    beside: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.y)

    def windows(self, rows: Rows) -> NDArray[np.float32]:
        """The given windows, float32 (rows, leads, samples), contiguous and the caller's own.

        Raises:
            IndexError: there is no such window.
        """
        rows = np.asarray(rows, dtype=np.int64)
        if rows.size and (rows.min() < 0 or rows.max() >= len(self.x)):
            raise IndexError("no such window")
        return self.x[rows] if isinstance(self.x, Windows) else gathered(self.x, rows)

    def only(self, rows: Rows) -> Examples:
        """The given records, ascending. Samples are not copied."""
        rows = np.sort(rows)
        wanted = np.zeros(len(self), dtype=np.bool_)
        wanted[rows] = True
        windows = np.flatnonzero(wanted[self.record])
        samples, at = (self.x.samples, self.x.at[windows]) if isinstance(self.x, Windows) else (self.x, windows)
        return Examples(
            x=Windows(samples, at),
            record=np.searchsorted(rows, self.record[windows]),
            y=self.y[rows],
            auxiliary=self.auxiliary[rows],
            patients=self.patients[rows] if isinstance(self.patients, np.ndarray) else _taken(self.patients, rows),
            recording_ids=_taken(self.recording_ids, rows),
            beside=None if self.beside is None else self.beside[rows],
        )


def _taken(texts: Sequence[str], rows: Rows) -> Sequence[str]:
    return texts.take(rows) if isinstance(texts, Texts) else [texts[row] for row in rows]


def owners(patients: Rows | Sequence[str]) -> Rows:
    """Patients as numbers from 0 on, in order of first appearance; an empty name is a patient of its own."""
    if isinstance(patients, np.ndarray):
        keys = patients
    else:
        keys = np.array([patient or f"\0{row}" for row, patient in enumerate(patients)])
    _, first, number = np.unique(keys, return_index=True, return_inverse=True)
    place = np.empty(len(first), dtype=np.int64)
    place[np.argsort(first)] = np.arange(len(first))
    result: Rows = place[number]
    return result


def draw_validation(
    y: NDArray[np.float32], patients: Rows | Sequence[str], *, fraction: float, seed: int
) -> tuple[Rows, Rows]:
    """Rows to train and rows to validate: by patient, stratified by label, the same for one seed.

    Labels are served from the rarest on: patients who have it are drawn until validation holds its
    share of that label's records. Records without a patient key count as patients of their own.

    `y` is (records, labels) of 0 or 1; other numbers are drawn unstratified. `fraction` is the share
    of records to validate.

    Raises:
        InvalidTrainingSpec: too few patients for two parts.
    """
    owner_of_row = owners(patients)
    count = int(owner_of_row.max()) + 1 if len(owner_of_row) else 0
    order = np.random.default_rng([seed, 1]).permutation(count)
    chosen = np.zeros(count, dtype=np.bool_)
    settled = np.zeros(count, dtype=np.bool_)
    for mask in _strata(y):
        _serve(mask, owner_of_row, order, fraction, chosen, settled)
    in_validation = chosen[owner_of_row]
    training, validation = np.flatnonzero(~in_validation), np.flatnonzero(in_validation)
    if not training.size or not validation.size:
        raise InvalidTrainingSpec(
            "Too few patients to draw a validation part from; give a validation split, or more records.",
            field="validation",
        )
    return training, validation


def _strata(y: NDArray[np.float32]) -> list[NDArray[np.bool_]]:
    binary = bool(np.isin(y, (0, 1)).all())
    labels = [y[:, column] == 1 for column in np.argsort(y.sum(axis=0), kind="stable")] if binary else []
    return [*labels, np.ones(len(y), dtype=np.bool_)]


def _serve(
    mask: NDArray[np.bool_],
    owner_of_row: Rows,
    order: Rows,
    fraction: float,
    chosen: NDArray[np.bool_],
    settled: NDArray[np.bool_],
) -> None:
    """Choose among the owners of the masked rows until validation holds its share; then settle them."""
    count = np.bincount(owner_of_row[mask], minlength=len(chosen))
    wanted = fraction * count.sum() - count[chosen].sum()
    asked = order[~settled[order] & (count[order] > 0)]
    settled[asked] = True
    for owner in asked:
        if wanted < 0.5:  # not even one record more
            return
        if wanted >= count[owner] / 2:
            chosen[owner] = True
            wanted -= count[owner]


def label_counts(y: NDArray[np.float32], labels: Sequence[str]) -> Mapping[str, int]:
    """Records that have each label."""
    return {label: int(total) for label, total in zip(labels, (y == 1).sum(axis=0), strict=True)}
