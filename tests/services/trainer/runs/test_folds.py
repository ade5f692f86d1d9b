import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from precordia.errors import InvalidTrainingSpec
from services.trainer.runs.folds import draw_folds


@st.composite
def parts(draw: st.DrawFn) -> tuple[np.ndarray, list[str], int, int]:
    folds = draw(st.integers(2, 6))
    patients = draw(st.integers(folds, 40))
    rows = list(range(patients)) + draw(st.lists(st.integers(0, patients - 1), max_size=60))
    labels = draw(st.integers(1, 5))
    seed = draw(st.integers(0, 1 << 32))
    y = (np.random.default_rng(seed).random((len(rows), labels)) < draw(st.floats(0.05, 0.9))).astype(np.float32)
    return y, [f"patient {row}" for row in rows], folds, seed


@settings(max_examples=60, deadline=None)
@given(parts())
def test_every_record_has_one_fold_and_no_patient_has_two(part: tuple[np.ndarray, list[str], int, int]) -> None:
    y, patients, folds, seed = part
    fold = draw_folds(y, patients, folds, seed=seed)
    assert fold.shape == (len(y),)
    assert set(fold.tolist()) == set(range(folds))  # none is empty
    of_patient: dict[str, set[int]] = {}
    for patient, number in zip(patients, fold.tolist(), strict=True):
        of_patient.setdefault(patient, set()).add(number)
    assert all(len(numbers) == 1 for numbers in of_patient.values())
    assert np.array_equal(fold, draw_folds(y, patients, folds, seed=seed))


def test_rare_labels_are_in_every_fold() -> None:
    generator = np.random.default_rng(0)
    y = (generator.random((1000, 3)) < (0.5, 0.05, 0.01)).astype(np.float32)
    patients = [str(row // 2) for row in range(1000)]
    fold = draw_folds(y, patients, 5, seed=1)
    shares = np.stack([y[fold == number].sum(axis=0) for number in range(5)])
    assert np.all(np.abs(shares[:, 0] - y[:, 0].sum() / 5) <= 4)
    assert shares[:, 1].min() >= y[:, 1].sum() // 5 - 1
    assert shares[:, 2].min() >= 1
    assert np.ptp(np.bincount(fold)) <= 8


def test_another_seed_draws_other_folds() -> None:
    y, patients = np.ones((50, 1), dtype=np.float32), [str(row) for row in range(50)]
    assert not np.array_equal(draw_folds(y, patients, 5, seed=0), draw_folds(y, patients, 5, seed=1))


def test_numbers_are_spread_by_bands() -> None:
    y = np.random.default_rng(0).normal(400, 30, (500, 1)).astype(np.float32)
    fold = draw_folds(y, [str(row) for row in range(500)], 5, seed=0)
    means = [y[fold == number].mean() for number in range(5)]
    assert np.ptp(means) < 3  # of a standard deviation of 30: chance alone would give about 8


def test_records_without_a_patient_are_patients_of_their_own() -> None:
    fold = draw_folds(np.ones((6, 1), dtype=np.float32), [""] * 6, 3, seed=0)
    assert np.bincount(fold).tolist() == [2, 2, 2]


def test_fewer_patients_than_folds_is_refused_with_both_numbers() -> None:
    y = np.ones((10, 1), dtype=np.float32)
    with pytest.raises(InvalidTrainingSpec, match=r"5 folds need 5 patients .* have 2\.") as caught:
        draw_folds(y, ["a", "b"] * 5, 5, seed=0)
    assert caught.value.field == "folds"
