import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from precordia.errors import InvalidTrainingSpec
from services.trainer.records.examples import Examples, Windows, draw_validation, owners


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


def test_windows_follow_their_records() -> None:
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
    assert np.asarray(part.x).ravel().tolist() == [1, 2, 3]
    assert part.record.tolist() == [0, 0, 1]
    assert (part.y.ravel().tolist(), part.patients) == ([1, 2], ["b", "c"])


def drawn_plainly(y: np.ndarray, patients: list[str], fraction: float, seed: int) -> list[int]:
    """Rows to validate, patient by patient, as `draw_validation` says it."""
    names = [patient or f"\0{row}" for row, patient in enumerate(patients)]
    different = list(dict.fromkeys(names))
    order = np.random.default_rng([seed, 1]).permutation(len(different))
    chosen: set[str] = set()
    settled: set[str] = set()
    for column in [*np.argsort(y.sum(axis=0), kind="stable"), None]:
        rows = [row for row in range(len(y)) if column is None or y[row, column] == 1]
        wanted = fraction * len(rows) - sum(names[row] in chosen for row in rows)
        for number in order:
            name = different[number]
            count = sum(names[row] == name for row in rows)
            if name in settled or not count:
                continue
            settled.add(name)
            if wanted >= count / 2:
                chosen.add(name)
                wanted -= count
    return [row for row in range(len(y)) if names[row] in chosen]


@given(seed=st.integers(0, 1000), records=st.integers(2, 40), patients=st.integers(1, 20), labels=st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_the_draw_is_that_of_its_description(seed: int, records: int, patients: int, labels: int) -> None:
    generator = np.random.default_rng(seed)
    y = (generator.random((records, labels)) < generator.random(labels)).astype(np.float32)
    names = ["" if number == 0 else f"p{number}" for number in generator.integers(0, patients, records)]
    wanted = drawn_plainly(y, names, 0.25, seed)
    numbers = owners(names) + 1
    if len(wanted) in (0, records):
        with pytest.raises(InvalidTrainingSpec):
            draw_validation(y, names, fraction=0.25, seed=seed)
    else:
        assert draw_validation(y, names, fraction=0.25, seed=seed)[1].tolist() == wanted
        assert draw_validation(y, numbers, fraction=0.25, seed=seed)[1].tolist() == wanted


def test_parts_of_parts_are_views_of_the_same_samples() -> None:
    generator = np.random.default_rng(0)
    x = generator.standard_normal((12, 2, 5)).astype(np.float32)
    y = np.arange(6, dtype=np.float32)[:, None]
    whole = Examples(x, np.repeat(np.arange(6), 2), y, y[:, :0], np.arange(1, 7), [f"r{row}" for row in range(6)])
    part = whole.only(np.array([1, 3, 4])).only(np.array([2, 0]))
    assert isinstance(part.x, Windows)
    assert part.x.samples is x
    assert (part.x.shape, len(part.x)) == ((4, 2, 5), 4)
    assert part.recording_ids == ["r1", "r4"]
    assert part.patients.tolist() == [2, 5]
    np.testing.assert_array_equal(part.windows(np.array([3, 0, 3])), x[[9, 2, 9]])
    np.testing.assert_array_equal(part.x[1:3], x[[3, 8]])
    np.testing.assert_array_equal(np.asarray(part.x), x[[2, 3, 8, 9]])
    batch = part.windows(np.array([0]))
    batch[:] = 0
    assert x[2].any()
    assert batch.flags.c_contiguous
    for beyond in (-1, 4):
        with pytest.raises(IndexError):
            part.windows(np.array([beyond]))
