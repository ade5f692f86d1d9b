import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn import metrics as sk

from precordia.metrics.calibration import brier_score, calibration_error, reliability, top_label, wilson
from precordia.metrics.temperature import fit_temperature, mean_log_loss, probabilities


def test_brier_is_that_of_scikit_learn() -> None:
    generator = np.random.default_rng(0)
    truth, scores = generator.random(100) < 0.4, generator.random(100)
    assert brier_score(truth, scores) == pytest.approx(sk.brier_score_loss(truth, scores))
    assert brier_score(truth[:0], scores[:0]) is None


def test_calibration_error_by_hand() -> None:
    # two bins hold two records each: |0.05 - 0.5| and |0.95 - 1| , each weighing a half
    truth, scores = np.array([1, 0, 1, 1], np.uint8), np.array([0.04, 0.06, 0.94, 0.96])
    assert calibration_error(truth, scores, bins=10) == pytest.approx((0.45 + 0.05) / 2)
    assert calibration_error(truth, scores, bins=1) == pytest.approx(abs(0.5 - 0.75))
    assert calibration_error(truth[:0], scores[:0]) is None


def test_honest_probabilities_have_almost_no_error() -> None:
    generator = np.random.default_rng(1)
    scores = generator.random(200_000)
    truth = generator.random(200_000) < scores
    assert calibration_error(truth, scores) < 0.01
    assert calibration_error(truth, scores**2) > 0.1


def test_the_top_label_is_the_highest_score() -> None:
    truth = np.array([[1, 0], [1, 0]], dtype=np.uint8)
    right, score = top_label(truth, np.array([[0.7, 0.3], [0.2, 0.8]]))
    assert (right.tolist(), score.tolist()) == ([True, False], [0.7, 0.8])


def test_bars_of_a_reliability_diagram() -> None:
    truth, scores = np.array([1, 0, 1, 1], np.uint8), np.array([0.5, 0.55, 0.95, 1.0])
    low, high = reliability(truth, scores, bins=10)
    assert (low.low, low.high, low.n, low.score, low.share) == (0.5, 0.6, 2, pytest.approx(0.525), 0.5)
    assert (high.low, high.high, high.n, high.score, high.share) == (0.9, 1.0, 2, pytest.approx(0.975), 1.0)
    assert low.share_low < 0.5 < low.share_high


@pytest.mark.parametrize(("right", "n"), [(0, 5), (3, 7), (12, 12)])
def test_the_interval_of_a_share_is_wilsons(right: int, n: int) -> None:
    wanted = binomtest(right, n).proportion_ci(method="wilson")
    assert wilson(right, n) == pytest.approx((wanted.low, wanted.high), abs=1e-9)


@pytest.mark.parametrize("exclusive", [True, False])
@pytest.mark.parametrize("wanted", [0.5, 2.5])
def test_a_temperature_is_found_again(exclusive: bool, wanted: float) -> None:
    generator = np.random.default_rng(2)
    logits = generator.normal(0, 2, (20_000, 3))
    honest = probabilities(logits, exclusive=exclusive)
    if exclusive:
        drawn = (generator.random(20_000)[:, None] > honest.cumsum(axis=1)).sum(axis=1)
        truth = np.arange(3) == drawn[:, None]
    else:
        truth = generator.random(honest.shape) < honest
    found = fit_temperature(wanted * logits, truth, exclusive=exclusive)
    assert found is not None
    assert found.value == pytest.approx(wanted, rel=0.03)
    assert found.loss_after < found.loss_before
    cooled = probabilities(wanted * logits, exclusive=exclusive, temperature=found.value)
    assert calibration_error(truth[:, 0], cooled[:, 0]) < 0.01
    assert calibration_error(truth[:, 0], probabilities(wanted * logits, exclusive=exclusive)[:, 0]) > 0.03


def test_where_every_record_is_right_no_temperature_can_be_measured() -> None:
    logits = np.array([[3.0, -3.0], [-2.0, 2.0]])
    truth = np.array([[1, 0], [0, 1]], dtype=np.uint8)
    assert fit_temperature(logits, truth, exclusive=True) is None
    assert fit_temperature(logits, truth, exclusive=False) is None
    assert fit_temperature(-logits, truth, exclusive=False) is None  # nothing but a coin would do
    assert fit_temperature(logits[:0], truth[:0], exclusive=True) is None


def test_the_loss_is_that_of_scikit_learn_and_large_logits_do_not_overflow() -> None:
    generator = np.random.default_rng(3)
    logits, classes = generator.normal(0, 3, (50, 4)), generator.integers(0, 4, 50)
    truth = np.arange(4) == classes[:, None]
    wanted = sk.log_loss(classes, probabilities(logits, exclusive=True), labels=range(4))
    assert mean_log_loss(logits, truth, exclusive=True) == pytest.approx(wanted)
    single = sk.log_loss(truth[:, 0], probabilities(logits, exclusive=False)[:, 0])
    assert mean_log_loss(logits[:, :1], truth[:, :1], exclusive=False) == pytest.approx(single)
    assert np.isfinite(probabilities(np.array([[1e4, -1e4]]), exclusive=True)).all()
    assert np.isfinite(mean_log_loss(np.array([[1e4, -1e4]]), truth[:1, :2], exclusive=False))
