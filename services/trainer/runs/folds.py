"""Folds: the training patients in k parts of like labels, so that every record is held out once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from precordia.errors import InvalidTrainingSpec
from services.trainer.records.examples import Rows, owners

_BANDS = 5
"""Numbers are stratified by so many equal bands of the first target."""


def check_folds(patients: int, folds: int) -> None:
    """Refuse folds that some patient would have to be cut up for.

    Raises:
        InvalidTrainingSpec: fewer patients than folds.
    """
    if patients < folds:
        raise InvalidTrainingSpec(
            f"{folds} folds need {folds} patients at least; the training records have {patients}. Take fewer folds.",
            field="folds",
        )


def draw_folds(y: NDArray[np.float32], patients: Rows | Sequence[str], folds: int, *, seed: int) -> Rows:
    """Fold of every record, int64 (records,), 0 to `folds` - 1: by patient, the same for one seed.

    Iterative stratification (Sechidis et al. 2011) with patients for items: labels are served from the
    rarest on, and each patient who has the label goes where most of it is still wanted. `y` is (records,
    targets); numbers other than 0 and 1 are served by bands. Records without a patient key count as
    patients of their own.

    Raises:
        InvalidTrainingSpec: fewer patients than folds.
    """
    owner_of_row = owners(patients)
    count = int(owner_of_row.max()) + 1 if len(owner_of_row) else 0
    check_folds(count, folds)
    of_owner = _by_owner(_strata(y), owner_of_row, count)
    order = np.random.default_rng([seed, 5]).permutation(count)
    fold = np.full(count, -1, dtype=np.int64)
    wanted = np.tile(of_owner.sum(axis=0) / folds, (folds, 1))
    for stratum in np.argsort(of_owner.sum(axis=0), kind="stable"):
        for owner in order[(fold[order] < 0) & (of_owner[order, stratum] > 0)]:
            # equal wants of the label are settled by the want of records, which is the last column
            chosen = int(np.lexsort((wanted[:, -1], wanted[:, stratum]))[-1])
            fold[owner] = chosen
            wanted[chosen] -= of_owner[owner]
    _fill_empty(fold, folds)
    return fold[owner_of_row]


def _strata(y: NDArray[np.float32]) -> NDArray[np.float64]:
    """What is to be spread evenly, (records, strata) of 0 and 1; the last column is the record itself."""
    if np.isin(y, (0, 1)).all():
        columns = y
    else:
        ends = np.quantile(y[:, 0], np.linspace(0, 1, _BANDS + 1)[1:-1])
        columns = np.eye(_BANDS, dtype=np.float32)[np.searchsorted(ends, y[:, 0])]
    return np.concatenate([columns, np.ones((len(y), 1))], axis=1, dtype=np.float64)


def _by_owner(of_rows: NDArray[np.float64], owner_of_row: Rows, count: int) -> NDArray[np.float64]:
    columns = [np.bincount(owner_of_row, column, minlength=count) for column in of_rows.T]
    return np.stack(columns, axis=1)


def _fill_empty(fold: Rows, folds: int) -> None:
    """Give folds that got nobody a patient of the fold with the most, as they could not be held out."""
    for empty in np.flatnonzero(np.bincount(fold, minlength=folds) == 0):
        fullest = int(np.bincount(fold, minlength=folds).argmax())
        fold[np.flatnonzero(fold == fullest)[-1]] = empty
