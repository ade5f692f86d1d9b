import numpy as np
import pytest
from sklearn import metrics as sk

from precordia.metrics import auroc, average_precision
from precordia.metrics.curves import (
    precision_recall_curve,
    roc_curve,
    thinned_precision_recall,
    thinned_roc,
)


@pytest.fixture(params=[0, 1, 2])
def labelled(request: pytest.FixtureRequest) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(request.param)
    truth = generator.random(400) < 0.3
    return truth, (0.3 * truth + generator.random(400)).round(2)  # rounding makes ties


def test_roc_is_that_of_scikit_learn(labelled: tuple[np.ndarray, np.ndarray]) -> None:
    truth, scores = labelled
    x, y, thresholds = sk.roc_curve(truth, scores, drop_intermediate=False)
    found = roc_curve(truth, scores)
    assert found is not None
    np.testing.assert_allclose(found.x, x)
    np.testing.assert_allclose(found.y, y)
    np.testing.assert_allclose(found.thresholds, thresholds)


def test_precision_recall_is_that_of_scikit_learn_without_its_last_point(
    labelled: tuple[np.ndarray, np.ndarray],
) -> None:
    truth, scores = labelled
    precision, recall, thresholds = sk.precision_recall_curve(truth, scores)
    found = precision_recall_curve(truth, scores)
    assert found is not None
    # scikit-learn adds (1, 0), which no threshold gives, and rises by score
    np.testing.assert_allclose(found.x[::-1], recall[:-1])
    np.testing.assert_allclose(found.y[::-1], precision[:-1])
    np.testing.assert_allclose(found.thresholds[::-1], thresholds)


def test_dropping_points_leaves_the_areas_as_they_are(labelled: tuple[np.ndarray, np.ndarray]) -> None:
    truth, scores = labelled
    roc, recall = roc_curve(truth, scores), precision_recall_curve(truth, scores)
    assert roc is not None
    assert recall is not None
    thin, thin_recall = thinned_roc(roc, 10_000), thinned_precision_recall(recall, 10_000)
    assert len(thin.x) < len(roc.x)
    assert np.trapezoid(thin.y, thin.x) == pytest.approx(auroc(truth, scores), abs=1e-12)
    steps = np.diff(thin_recall.x, prepend=0)
    assert (steps * thin_recall.y).sum() == pytest.approx(average_precision(truth, scores), abs=1e-12)


def test_a_long_curve_is_drawn_with_few_points_and_almost_its_area() -> None:
    generator = np.random.default_rng(5)
    truth = generator.random(20_000) < 0.2
    scores = generator.normal(truth * 1.5)
    roc = roc_curve(truth, scores)
    assert roc is not None
    thin = thinned_roc(roc)
    assert len(thin.x) <= 160
    assert (thin.x[0], thin.y[0], thin.x[-1], thin.y[-1]) == (0, 0, 1, 1)
    assert np.trapezoid(thin.y, thin.x) == pytest.approx(auroc(truth, scores), abs=1e-3)


def test_a_curve_of_one_class_is_none() -> None:
    scores = np.array([0.1, 0.4])
    assert roc_curve(np.array([True, True]), scores) is None
    assert precision_recall_curve(np.array([False, False]), scores) is None
    only = precision_recall_curve(np.array([True, True]), scores)
    assert only is not None
    assert only.y.tolist() == [1, 1]
