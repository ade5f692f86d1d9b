import math

import numpy as np
import pytest
import torch

from precordia.manifest import Task
from services.trainer.learning.losses import BOUND, Criterion, balanced_weights, task_loss
from services.trainer.planning.recipe import DEFAULT


def test_balanced_classes_count_the_same() -> None:
    y = np.array([[1, 0, 0]] * 6 + [[0, 1, 0]] * 3 + [[0, 0, 1]], dtype=np.float32)
    weights = balanced_weights(Task.MULTICLASS, y)
    assert weights is not None
    assert weights.tolist() == pytest.approx([10 / 18, 10 / 9, 10 / 3])
    counts = y.sum(axis=0)
    assert (weights.numpy() * counts).tolist() == pytest.approx([10 / 3] * 3)


def test_balanced_labels_weigh_presence_against_absence() -> None:
    y = np.array([[1, 1], [1, 0], [1, 0], [0, 0]], dtype=np.float32)
    weights = balanced_weights(Task.MULTILABEL, y)
    assert weights is not None
    assert weights.tolist() == pytest.approx([1 / 3, 3.0])


def test_weights_are_bounded_for_labels_that_hardly_anyone_has() -> None:
    y = np.zeros((1000, 2), dtype=np.float32)
    y[0, 0] = 1
    weights = balanced_weights(Task.MULTILABEL, y)
    assert weights is not None
    assert weights.tolist() == [BOUND, BOUND]


def test_regression_has_no_classes_to_weigh() -> None:
    assert balanced_weights(Task.REGRESSION, np.ones((3, 1), dtype=np.float32)) is None


def test_a_weighted_multiclass_loss_by_hand() -> None:
    logits = torch.tensor([[math.log(3), 0.0], [0.0, 0.0]])  # p = (3/4, 1/4) and (1/2, 1/2)
    y = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    loss = task_loss(Task.MULTICLASS, logits, y, torch.tensor([0.5, 2.0]))
    assert float(loss) == pytest.approx((0.5 * -math.log(0.75) + 2.0 * -math.log(0.5)) / 2)


def test_a_weighted_multilabel_loss_by_hand() -> None:
    logits = torch.tensor([[0.0, math.log(4)]])  # p = 1/2 and 4/5
    y = torch.tensor([[1.0, 0.0]])
    loss = task_loss(Task.MULTILABEL, logits, y, torch.tensor([3.0, 3.0]))
    assert float(loss) == pytest.approx((3 * -math.log(0.5) - math.log(0.2)) / 2)


def test_smoothed_labels_by_hand() -> None:
    logits = torch.tensor([[math.log(4)]])  # p = 4/5
    loss = task_loss(Task.MULTILABEL, logits, torch.tensor([[1.0]]), smoothing=0.2)
    assert float(loss) == pytest.approx(-(0.9 * math.log(0.8) + 0.1 * math.log(0.2)))
    both = torch.tensor([[math.log(3), 0.0]])
    loss = task_loss(Task.MULTICLASS, both, torch.tensor([[1.0, 0.0]]), smoothing=0.2)
    assert float(loss) == pytest.approx(-(0.9 * math.log(0.75) + 0.1 * math.log(0.25)))


def test_auxiliary_labels_add_their_share_in_training_alone() -> None:
    y = np.array([[1.0], [0.0]], dtype=np.float32)
    criterion = Criterion.of(DEFAULT.changed({"auxiliary": 0.5, "label_smoothing": 0.1}), Task.MULTILABEL, y)
    nothing = torch.zeros(2, 2)
    trained = criterion.training(nothing, torch.tensor([[1.0, 1.0], [0.0, 0.0]]))
    assert float(trained) == pytest.approx(1.5 * math.log(2))
    certain = np.array([[math.log(9)], [-math.log(9)]])
    assert criterion.validation(certain, y) == pytest.approx(-math.log(0.9))


def test_the_validation_loss_is_weighted_like_the_training_loss() -> None:
    y = np.array([[1.0], [0.0], [0.0], [0.0]], dtype=np.float32)
    criterion = Criterion.of(DEFAULT.changed({"class_weights": "balanced"}), Task.MULTILABEL, y)
    logits = np.zeros((4, 1))
    assert criterion.validation(logits, y) == pytest.approx((3 + 3) / 4 * math.log(2))
