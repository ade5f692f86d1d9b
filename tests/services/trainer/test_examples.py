import numpy as np
import pytest

from precordia.errors import InvalidTrainingSpec
from services.trainer.examples import Examples, draw_validation


@pytest.fixture
def labelled() -> tuple[np.ndarray, list[str]]:
    generator = np.random.default_rng(1)
    y = (generator.random((600, 4)) < [0.5, 0.2, 0.05, 0.1]).astype(np.float32)
    return y, [f"p{number}" for number in generator.integers(0, 400, 600)]


def test_no_patient_is_on_both_sides_and_every_record_is_on_one(labelled: tuple[np.ndarray, list[str]]) -> None:
    y, patients = labelled
    training, validation = draw_validation(y, patients, fraction=0.2, seed=0)
    assert {patients[row] for row in training}.isdisjoint(patients[row] for row in validation)
    assert sorted([*training, *validation]) == list(range(600))


@pytest.mark.parametrize("seed", range(5))
def test_every_label_has_its_share_in_validation(labelled: tuple[np.ndarray, list[str]], seed: int) -> None:
    y, patients = labelled
    _, validation = draw_validation(y, patients, fraction=0.2, seed=seed)
    share = y[validation].sum(axis=0) / y.sum(axis=0)
    assert np.abs(share - 0.2).max() < 0.06
    assert abs(len(validation) / 600 - 0.2) < 0.03


def test_the_seed_decides(labelled: tuple[np.ndarray, list[str]]) -> None:
    y, patients = labelled
    first, again, other = (draw_validation(y, patients, fraction=0.2, seed=seed)[1] for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_records_without_a_patient_stand_for_themselves() -> None:
    y = np.ones((10, 1), dtype=np.float32)
    training, validation = draw_validation(y, [""] * 10, fraction=0.3, seed=0)
    assert (len(training), len(validation)) == (7, 3)


def test_one_patient_cannot_be_divided() -> None:
    with pytest.raises(InvalidTrainingSpec, match="Too few patients"):
        draw_validation(np.ones((5, 1), dtype=np.float32), ["p"] * 5, fraction=0.2, seed=0)


def test_windows_follow_their_records_and_their_scores_are_averaged() -> None:
    x = np.arange(4, dtype=np.float32).reshape(4, 1, 1)
    whole = Examples(
        x=x,
        record=np.array([0, 1, 1, 2]),
        y=np.array([[0], [1], [2]], dtype=np.float32),
        auxiliary=np.zeros((3, 0), dtype=np.float32),
        patients=["a", "b", "c"],
        recording_ids=["r0", "r1", "r2"],
    )
    part = whole.only(np.array([2, 1]))
    assert part.x.ravel().tolist() == [1, 2, 3]
    assert part.record.tolist() == [0, 0, 1]
    assert (part.y.ravel().tolist(), part.patients) == ([1, 2], ["b", "c"])
    assert part.mean_by_record(np.array([[0.0], [1.0], [5.0]])).ravel().tolist() == [0.5, 5.0]
