import numpy as np
import pytest
from scipy import stats

from precordia.metrics import auroc, called_labels
from precordia.metrics.comparison import bootstrap_difference, delong, mcnemar, paired_t
from precordia.metrics.weighted import Answers


def two_models(seed: int = 0, count: int = 300) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    truth = generator.random(count) < 0.4
    shared = generator.normal(size=count)
    return truth, truth * 0.8 + shared + 0.5 * generator.normal(size=count), truth * 1.6 + shared


def naive_delong(truth: np.ndarray, first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """Areas' difference and its standard error, pair by pair, as the paper writes it."""

    def pairs(scores: np.ndarray) -> np.ndarray:
        above = scores[truth][:, None] - scores[~truth]
        return np.where(above > 0, 1.0, np.where(above == 0, 0.5, 0.0))

    a, b = pairs(first), pairs(second)
    positives, negatives = a.shape
    of_positives = np.cov([a.mean(axis=1), b.mean(axis=1)]) / positives
    of_negatives = np.cov([a.mean(axis=0), b.mean(axis=0)]) / negatives
    covariance = of_positives + of_negatives
    return b.mean() - a.mean(), float(np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]))


def test_delong_is_the_pairwise_formula() -> None:
    truth, first, second = two_models()
    first = first.round(1)  # ties
    found = delong(truth, first, second)
    difference, error = naive_delong(truth, first, second)
    assert found is not None
    assert (found.first, found.second) == pytest.approx((auroc(truth, first), auroc(truth, second)))
    assert found.difference == pytest.approx(difference)
    assert found.p == pytest.approx(2 * stats.norm.sf(abs(difference) / error))
    assert (found.low, found.high) == pytest.approx((difference - 1.959964 * error, difference + 1.959964 * error))


def test_delong_finds_half_a_tenth_of_null_cases_below_a_twentieth() -> None:
    generator = np.random.default_rng(7)
    ps = []
    for _ in range(400):
        truth = generator.random(150) < 0.5
        found = delong(truth, truth + 2 * generator.normal(size=150), truth + 2 * generator.normal(size=150))
        assert found is not None
        ps.append(found.p)
    assert 0.02 < np.mean(np.array(ps) < 0.05) < 0.09


def test_delong_of_equal_models_and_of_too_few() -> None:
    truth, first, _ = two_models()
    same = delong(truth, first, first)
    assert same is not None
    assert (same.difference, same.p) == (0, 1)
    assert delong(np.array([True, False, False]), np.arange(3.0), np.arange(3.0)) is None


@pytest.mark.parametrize(("only_first", "only_second"), [(3, 11), (0, 5), (8, 8)])
def test_mcnemar_is_the_exact_binomial_test(only_first: int, only_second: int) -> None:
    first = np.array([True] * only_first + [False] * only_second + [True] * 20)
    second = np.array([False] * only_first + [True] * only_second + [True] * 20)
    wanted = stats.binomtest(only_first, only_first + only_second).pvalue
    assert mcnemar(first, second) == pytest.approx(wanted)
    assert mcnemar(first, first) == 1


def test_mcnemar_of_many_records_is_the_corrected_chi_squared_test() -> None:
    first = np.array([True] * 900 + [False] * 1000)
    wanted = stats.chi2.sf((1000 - 900 - 1) ** 2 / 1900, 1)
    assert mcnemar(first, ~first) == pytest.approx(wanted)


def test_paired_t_is_that_of_scipy() -> None:
    first, second = [0.7, 0.8, 0.75, 0.9], [0.72, 0.85, 0.74, 0.93]
    assert paired_t(first, second) == pytest.approx(stats.ttest_rel(first, second).pvalue)
    assert paired_t([0.5], [0.6]) is None
    assert paired_t([0.5, 0.6], [0.5, 0.6]) is None


def answers(truth: np.ndarray, scores: np.ndarray) -> Answers:
    scores = 1 / (1 + np.exp(-scores[:, None]))
    return Answers(truth[:, None], scores, called_labels(scores, exclusive=False), False)


def test_a_difference_on_the_same_draws_tells_the_better_model() -> None:
    truth, first, second = two_models()
    people = [f"p{row // 2}" for row in range(300)]
    found = bootstrap_difference(answers(truth, first), answers(truth, second), people, draws=300)["auroc_macro"]
    assert found.low > 0
    assert found.p < 0.05
    by_formula = delong(truth, first, second)
    assert by_formula is not None
    assert found.difference == pytest.approx(by_formula.difference)
    assert (found.low, found.high) == pytest.approx((by_formula.low, by_formula.high), abs=0.02)
    same = bootstrap_difference(answers(truth, first), answers(truth, first), people, draws=50)["auroc_macro"]
    assert (same.difference, same.low, same.high, same.p) == (0, 0, 0, 1)
