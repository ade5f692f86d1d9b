import subprocess
import sys

import numpy as np
import pytest
from scipy.stats import rankdata
from sklearn import metrics as sk

from precordia.metrics import (
    Calls,
    auroc,
    average_precision,
    called_labels,
    mean_absolute_error,
    mean_of_known,
    root_mean_squared_error,
)


@pytest.mark.parametrize("seed", range(5))
def test_areas_are_those_of_scikit_learn_with_many_ties(seed: int) -> None:
    generator = np.random.default_rng(seed)
    truth = generator.random(200) < 0.2
    scores = (0.3 * truth + generator.random(200)).round(1)
    assert auroc(truth, scores) == pytest.approx(sk.roc_auc_score(truth, scores), abs=1e-14)
    assert average_precision(truth, scores) == pytest.approx(sk.average_precision_score(truth, scores), abs=1e-14)
    ranks = rankdata(scores)[truth].sum()
    positives = int(truth.sum())
    assert auroc(truth, scores) == (ranks - positives * (positives + 1) / 2) / (positives * (200 - positives))


def test_flags_and_zeros_and_ones_give_the_same_figures() -> None:
    truth, scores = np.array([1, 0, 1, 0], np.uint8), np.array([0.9, 0.8, 0.7, 0.1])
    assert auroc(truth, scores) == auroc(truth == 1, scores) == 0.75
    assert average_precision(truth, scores) == average_precision(truth == 1, scores) == pytest.approx((1 + 2 / 3) / 2)


def test_equal_scores_tell_nothing() -> None:
    truth = np.array([True, False, False, False])
    assert (auroc(truth, np.full(4, 0.5)), average_precision(truth, np.full(4, 0.5))) == (0.5, 0.25)


def test_areas_that_cannot_be_measured_are_none() -> None:
    scores = np.array([0.1, 0.9])
    assert auroc(np.array([True, True]), scores) is None
    assert auroc(np.array([False, False]), scores) is None
    assert average_precision(np.array([False, False]), scores) is None
    assert average_precision(np.array([True, True]), scores) == 1.0


def test_a_score_that_is_not_a_number_shows_in_the_areas() -> None:
    truth, scores = np.array([True, False]), np.array([np.nan, 0.1])
    assert str(auroc(truth, scores)) == str(average_precision(truth, scores)) == "nan"


def test_shares_of_calls() -> None:
    calls = Calls.count(np.array([1, 1, 1, 0, 0], np.uint8), np.array([True, True, False, True, False]))
    assert calls == Calls(hits=2, false_alarms=1, missed=1, rejected=1)
    assert (calls.positives, calls.negatives) == (3, 2)
    assert (calls.sensitivity, calls.specificity) == (2 / 3, 1 / 2)
    assert (calls.ppv, calls.npv, calls.f1) == (2 / 3, 1 / 2, 2 / 3)


def test_without_positives_f1_is_none_even_where_there_are_false_alarms() -> None:
    calls = Calls(hits=0, false_alarms=3, missed=0, rejected=2)
    assert (calls.f1, calls.sensitivity, calls.ppv, calls.specificity) == (None, None, 0.0, 0.4)


def test_a_label_is_called_from_its_threshold_on_or_as_the_highest() -> None:
    scores = np.array([[0.5, 0.3], [0.4, 0.4]])
    assert called_labels(scores, exclusive=False).tolist() == [[True, False], [False, False]]
    assert called_labels(scores, exclusive=False, thresholds=[0.6, 0.4]).tolist() == [[False, False], [False, True]]
    assert called_labels(scores, exclusive=True, thresholds=[0.6, 0.4]).tolist() == [[True, False], [True, False]]
    assert called_labels(np.zeros((0, 2)), exclusive=True).shape == (0, 2)


def test_means_leave_out_what_is_not_known() -> None:
    assert mean_of_known([1.0, None, 0.0]) == 0.5
    assert mean_of_known([1.0, None, 0.0], [3.0, 9.0, 1.0]) == 0.75
    assert mean_of_known([None]) is None
    assert mean_of_known([0.5], [0.0]) is None


def test_errors_in_the_outputs_unit() -> None:
    errors = np.array([3.0, -4.0])
    assert mean_absolute_error(errors) == 3.5
    assert root_mean_squared_error(errors) == pytest.approx(np.sqrt(12.5))
    assert (mean_absolute_error(np.zeros(0)), root_mean_squared_error(np.zeros(0))) == (None, None)


def test_numpy_is_all_that_it_loads() -> None:
    code = (
        "import sys, precordia.metrics; print([m for m in ('scipy', 'sklearn', 'torch', 'pandas') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
