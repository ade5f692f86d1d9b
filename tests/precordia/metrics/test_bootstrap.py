import numpy as np
import pytest
from sklearn import metrics as sk

from precordia.metrics import called_labels
from precordia.metrics.arrays import Scores
from precordia.metrics.bootstrap import (
    affordable,
    broken_off_by,
    distributions,
    drawn_counts,
    interval,
    patient_numbers,
)
from precordia.metrics.classification import intervals, label_table, overall_table
from precordia.metrics.weighted import Answers, auroc_of, average_precision_of, label_figures, overall_figures


def answers(count: int = 300, *, exclusive: bool = False, seed: int = 0) -> Answers:
    generator = np.random.default_rng(seed)
    truth = generator.random((count, 4)) < [0.5, 0.2, 0.1, 0.3]
    if exclusive:
        truth = np.arange(4) == generator.integers(0, 4, count)[:, None]
    scores = np.clip(0.3 * truth + generator.random((count, 4)) * 0.7, 0, 1).round(2)  # rounding makes ties
    return Answers(truth, scores, called_labels(scores, exclusive=exclusive), exclusive)


@pytest.mark.parametrize("exclusive", [True, False])
def test_with_every_record_once_the_figures_are_the_plain_ones(exclusive: bool) -> None:
    given = answers(exclusive=exclusive)
    once = np.ones((300, 1))
    by_label = label_figures(given, once)
    table = label_table(given, list("abcd"))
    for name in ("auroc", "auprc", "f1", "sensitivity", "specificity", "ppv", "npv", "brier", "ece"):
        np.testing.assert_allclose(by_label[name][:, 0], [table[label][name] for label in "abcd"], atol=1e-12)
    for name, values in overall_figures(given, once, by_label).items():
        assert values[0] == pytest.approx(overall_table(given, table)[name], abs=1e-12), name


def test_counted_records_are_as_good_as_repeated_ones() -> None:
    given = answers(60)
    counts = np.random.default_rng(4).integers(0, 4, 60)
    repeated = np.repeat(np.arange(60), counts)
    W = counts[:, None].astype(np.float64)
    truth, scores = given.truth[:, 1], given.scores[:, 1]
    wanted = sk.roc_auc_score(truth[repeated], scores[repeated])
    assert auroc_of(truth, scores, W)[0] == pytest.approx(wanted, abs=1e-12)
    wanted = sk.average_precision_score(truth[repeated], scores[repeated])
    assert average_precision_of(truth, scores, W)[0] == pytest.approx(wanted, abs=1e-12)
    f1 = label_figures(given, W)["f1"][1, 0]
    assert f1 == pytest.approx(sk.f1_score(truth[repeated], given.called[repeated, 1]))


def test_patients_are_drawn_whole_and_as_often_as_there_are_patients() -> None:
    patients = patient_numbers(["a", "a", "b", "", ""])
    assert len(set(patients.tolist())) == 4
    for counts in drawn_counts(patients, draws=50):
        np.testing.assert_array_equal(counts[0], counts[1])
        np.testing.assert_array_equal(counts[1:].sum(axis=0), 4)
    np.testing.assert_array_equal(patient_numbers(np.array([7, 7, 3])), [1, 1, 0])


def test_draws_end_where_the_work_is_called_off() -> None:
    class CalledOff(Exception):
        pass

    blocks: list[int] = []

    def check() -> None:
        if len(blocks) == 2:
            raise CalledOff

    def figures(counts: Scores) -> dict[str, Scores]:
        blocks.append(counts.shape[1])
        return {"all": counts.sum(axis=0)}

    people = np.arange(300_000)  # so many that a block holds few draws
    with broken_off_by(check), pytest.raises(CalledOff):
        distributions(figures, people, draws=100)
    assert len(blocks) == 2
    distributions(figures, people[:5], draws=3)
    assert len(blocks) == 3


def test_doubled_records_of_a_patient_do_not_narrow_an_interval() -> None:
    single = answers(120)
    twice = Answers(*(np.repeat(part, 2, axis=0) for part in (single.truth, single.scores, single.called)), False)
    labels, people = list("abcd"), [f"p{i}" for i in range(120)]
    by_patient = intervals(twice, labels, [one for one in people for _ in range(2)])["metrics"]["auroc_macro"]
    by_record = intervals(twice, labels, [""] * 240)["metrics"]["auroc_macro"]
    assert by_patient == pytest.approx(intervals(single, labels, people)["metrics"]["auroc_macro"])
    assert by_record[1] - by_record[0] < 0.8 * (by_patient[1] - by_patient[0])


def test_intervals_hold_the_figure_and_are_the_same_again() -> None:
    given, labels, people = answers(), list("abcd"), [f"p{row // 2}" for row in range(300)]
    found = intervals(given, labels, people, draws=200)
    point = overall_table(given, label_table(given, labels))
    for name in ("auroc_macro", "f1_weighted", "accuracy", "brier_macro"):
        low, high = found["metrics"][name]
        assert low < point[name] < high
    assert found == intervals(given, labels, people, draws=200)


def test_intervals_are_those_of_a_plain_loop() -> None:
    given = answers(80)
    people = patient_numbers([f"p{row // 2}" for row in range(80)])
    drawn = distributions(lambda drawn: {"a": auroc_of(given.truth[:, 0], given.scores[:, 0], drawn)}, people, draws=40)
    plain = []
    for counts in np.concatenate(list(drawn_counts(people, draws=40)), axis=1).T.astype(int):
        rows = np.repeat(np.arange(80), counts)
        plain.append(sk.roc_auc_score(given.truth[rows, 0], given.scores[rows, 0]))
    np.testing.assert_allclose(drawn["a"], plain, atol=1e-12)


def test_what_half_of_the_draws_cannot_measure_has_no_interval() -> None:
    assert interval(np.array([np.nan, np.nan, 1.0])) is None
    assert interval(np.full(10, 0.5)) == (0.5, 0.5)
    assert intervals(answers(10), list("abcd"), ["one"] * 10)["metrics"] == {}


def test_the_interval_of_a_calibration_error_lies_about_the_error() -> None:
    given, labels, people = answers(200), list("abcd"), [f"p{row}" for row in range(200)]
    point = overall_table(given, label_table(given, labels))
    found = intervals(given, labels, people, draws=200)
    for name in ("ece_macro", "ece_weighted", "ece_top_label"):
        low, high = found["metrics"][name]
        assert 0 <= low < point[name] < high, name
    drawn = np.array([0.2, 0.3, 0.4])
    assert interval(drawn, about=0.1) == pytest.approx((0.005, 0.195))  # moved by 0.2
    assert interval(drawn, about=0.01) == pytest.approx((0.0, 0.105))  # an error is not below 0


def test_very_many_records_are_drawn_fewer_times_and_200_times_at_least() -> None:
    assert affordable(1000, 2000 * 5) == 1000
    assert affordable(1000, 100_000 * 71) == 281
    assert affordable(1000, 10**9) == 200
    assert affordable(50, 10**9) == 50
