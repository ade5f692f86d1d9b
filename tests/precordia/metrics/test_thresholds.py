import numpy as np
import pytest
from sklearn import metrics as sk

from precordia.metrics import Calls
from precordia.metrics.thresholds import at_sensitivity, at_specificity, f_max, youden

TRUTH = np.array([0, 0, 1, 0, 1, 1], dtype=np.uint8)
SCORES = np.array([0.1, 0.2, 0.3, 0.6, 0.7, 0.9])


def test_thresholds_by_hand() -> None:
    assert f_max(TRUTH, SCORES) == pytest.approx(0.25)  # all three called, one false alarm: 6/7
    assert youden(TRUTH, SCORES) == pytest.approx(0.65)  # 2/3 + 1, as high as 1 + 2/3, and higher
    assert at_sensitivity(TRUTH, SCORES) == pytest.approx(0.25)
    assert at_sensitivity(TRUTH, SCORES, 0.6) == pytest.approx(0.65)
    assert at_specificity(TRUTH, SCORES) == pytest.approx(0.65)
    assert at_specificity(TRUTH, SCORES, 0.6) == pytest.approx(0.25)


@pytest.mark.parametrize("seed", range(4))
def test_no_threshold_has_a_larger_f1_or_youden_index(seed: int) -> None:
    generator = np.random.default_rng(seed)
    truth = generator.random(300) < 0.2
    scores = (0.4 * truth + generator.random(300)).round(2)
    chosen, balanced = f_max(truth, scores), youden(truth, scores)
    tried = np.unique(scores)
    assert sk.f1_score(truth, scores >= chosen) == pytest.approx(
        max(sk.f1_score(truth, scores >= one) for one in tried)
    )
    index = [sk.balanced_accuracy_score(truth, scores >= one) for one in tried]
    assert sk.balanced_accuracy_score(truth, scores >= balanced) == pytest.approx(max(index))


@pytest.mark.parametrize("target", [0.5, 0.9, 1.0])
def test_a_target_is_reached_and_no_further_threshold_reaches_it(target: float) -> None:
    generator = np.random.default_rng(9)
    truth = generator.random(300) < 0.3
    scores = 0.4 * truth + generator.random(300)
    sensitive, specific = at_sensitivity(truth, scores, target), at_specificity(truth, scores, target)
    assert sensitive is not None
    assert specific is not None
    assert Calls.count(truth, scores >= sensitive).sensitivity >= target
    higher = scores[scores > sensitive].min()
    assert Calls.count(truth, scores > higher).sensitivity < target
    assert Calls.count(truth, scores >= specific).specificity >= target
    lower = scores[scores < specific].max()
    assert Calls.count(truth, scores >= lower).specificity < target


def test_nine_of_ten_reach_a_target_of_nine_tenths() -> None:
    truth = np.array([1] * 10 + [0] * 10, dtype=np.uint8)
    scores = np.concatenate([np.linspace(0.1, 1, 10), np.linspace(0, 0.9, 10)])
    threshold = at_sensitivity(truth, scores, 0.9)
    assert Calls.count(truth, scores >= threshold).sensitivity == 0.9


def test_what_cannot_be_chosen_is_none() -> None:
    none, every = np.zeros(3, np.uint8), np.ones(3, np.uint8)
    scores = np.array([0.1, 0.2, 0.9])
    assert (f_max(none, scores), youden(none, scores), at_sensitivity(none, scores)) == (None, None, None)
    assert (youden(every, scores), at_specificity(every, scores)) == (None, None)
    assert at_specificity(np.array([1, 1, 0], np.uint8), scores) is None  # the highest score is negative
