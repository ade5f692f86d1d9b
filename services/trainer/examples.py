"""Examples: conditioned ECGs and what is true of them, as whole arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from precordia.errors import InvalidTrainingSpec

Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Examples:
    """Records of one part.

    Attributes:
        x: float32 (windows, leads, samples); a record longer than the model's input has several.
        record: int64 (windows,), row of `y` that a window belongs to; ascending.
        y: float32 (records, targets).
        auxiliary: float32 (records, further targets); may have no column.
        patients, recording_ids: one for each record.
        beside: float32 (records, co-inputs); None where the network takes none.
    """

    x: NDArray[np.float32]
    record: Rows
    y: NDArray[np.float32]
    auxiliary: NDArray[np.float32]
    patients: Sequence[str]
    recording_ids: Sequence[str]
    beside: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.y)

    def only(self, rows: Rows) -> Examples:
        """The given records, ascending."""
        rows = np.sort(rows)
        windows = np.flatnonzero(np.isin(self.record, rows))
        return Examples(
            x=self.x[windows],
            record=np.searchsorted(rows, self.record[windows]),
            y=self.y[rows],
            auxiliary=self.auxiliary[rows],
            patients=[self.patients[row] for row in rows],
            recording_ids=[self.recording_ids[row] for row in rows],
            beside=None if self.beside is None else self.beside[rows],
        )

    def mean_by_record(self, of_windows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Scores of windows to scores of records: (windows, k) to (records, k)."""
        counts = np.bincount(self.record, minlength=len(self))
        sums = np.stack([np.bincount(self.record, column, len(self)) for column in of_windows.T], axis=1)
        mean: NDArray[np.float64] = sums / counts[:, None]
        return mean


def draw_validation(
    y: NDArray[np.float32], patients: Sequence[str], *, fraction: float, seed: int
) -> tuple[Rows, Rows]:
    """Rows to train and rows to validate: by patient, stratified by label, the same for one seed.

    Labels are served from the rarest on: patients who have it are drawn until validation holds its
    share of that label's records. Records without a patient key count as patients of their own.

    `y` is (records, labels) of 0 or 1; other numbers are drawn unstratified. `fraction` is the share
    of records to validate.

    Raises:
        InvalidTrainingSpec: too few patients for two parts.
    """
    owners = [patient or f"\0{row}" for row, patient in enumerate(patients)]
    number = {owner: index for index, owner in enumerate(dict.fromkeys(owners))}
    owner_of_row = np.array([number[owner] for owner in owners])
    order = np.random.default_rng([seed, 1]).permutation(len(number))
    chosen = np.zeros(len(number), dtype=np.bool_)
    settled = np.zeros(len(number), dtype=np.bool_)
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
    for owner in order:
        if settled[owner] or not count[owner]:
            continue
        if wanted >= count[owner] / 2:
            chosen[owner] = True
            wanted -= count[owner]
        settled[owner] = True


def label_counts(y: NDArray[np.float32], labels: Sequence[str]) -> Mapping[str, int]:
    """Records that have each label."""
    return {label: int(total) for label, total in zip(labels, (y == 1).sum(axis=0), strict=True)}
