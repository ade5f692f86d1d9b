import numpy as np
import pytest
from sklearn import metrics as sk

from precordia.metrics import called_labels
from precordia.metrics.calls import co_occurrence, confusion_matrix, correct_records


def one_hot(classes: list[int], count: int) -> np.ndarray:
    return np.arange(count) == np.array(classes)[:, None]


def test_confusion_is_that_of_scikit_learn() -> None:
    generator = np.random.default_rng(0)
    classes, scores = generator.integers(0, 4, 200), generator.random((200, 4))
    called = called_labels(scores, exclusive=True)
    matrix = confusion_matrix(one_hot(classes.tolist(), 4), called)
    np.testing.assert_array_equal(matrix[:-1], sk.confusion_matrix(classes, scores.argmax(axis=1), labels=range(4)))
    assert not matrix[-1].any()


def test_records_of_no_class_have_the_last_row_and_of_several_that_of_the_called() -> None:
    truth = np.array([[0, 0, 0], [1, 1, 0], [1, 1, 0]], dtype=np.uint8)
    called = one_hot([1, 1, 2], 3)
    assert confusion_matrix(truth, called).tolist() == [[0, 0, 1], [0, 1, 0], [0, 0, 0], [0, 1, 0]]


def test_what_goes_along_with_a_label() -> None:
    truth = np.array([[1, 0], [1, 1], [0, 1]], dtype=np.uint8)
    called = np.array([[True, True], [True, False], [True, False]])
    assert co_occurrence(truth, called).tolist() == [[2, 1], [2, 0]]


@pytest.mark.parametrize(("exclusive", "right"), [(True, [True, True, False]), (False, [True, False, False])])
def test_a_record_is_right(exclusive: bool, right: list[bool]) -> None:
    truth = np.array([[1, 0], [1, 1], [0, 1]], dtype=np.uint8)
    called = np.array([[True, False], [True, False], [True, False]])
    assert correct_records(truth, called, exclusive=exclusive).tolist() == right
