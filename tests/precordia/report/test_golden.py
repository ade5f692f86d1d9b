"""The golden report's figures, worked out by hand."""

from __future__ import annotations

import pytest

from tests.precordia.report import golden


def test_the_figures_of_the_golden_report_are_right() -> None:
    found = golden.report()["evaluations"]["test"]
    rhythm, infarct = found["per_class"]["AF"], found["per_class"]["MI"]
    # AF: positives .9 .4 .8, negatives .3 .6 .1 .2 .05: 14 of 15 pairs are in order; called .9 .6 .8
    assert rhythm["auroc"] == pytest.approx(14 / 15)
    assert (rhythm["sensitivity"], rhythm["specificity"]) == pytest.approx((2 / 3, 4 / 5))
    assert (rhythm["ppv"], rhythm["npv"], rhythm["f1"]) == pytest.approx((2 / 3, 4 / 5, 2 / 3))
    assert rhythm["auprc"] == pytest.approx((1 + 1 + 3 / 4) / 3)
    # MI: positives .8 .7 .4, negatives .1 .2 .3 .6 .05: 14 of 15; called .8 .7 .6
    assert infarct["auroc"] == pytest.approx(14 / 15)
    assert infarct["f1"] == pytest.approx(2 / 3)
    # right in both labels: all but the second, the fourth, the sixth and the seventh
    assert found["metrics"]["accuracy"] == 0.5
    assert found["metrics"]["f1_macro"] == found["metrics"]["f1_weighted"] == pytest.approx(2 / 3)
    squares = (0.01 + 0.36 + 0.09 + 0.36 + 0.01 + 0.04 + 0.04 + 0.0025) / 8
    assert rhythm["brier"] == pytest.approx(squares)
    assert found["confusion"]["by_label"]["AF"] == {"hits": 2, "false_alarms": 1, "missed": 1, "rejected": 4}
    assert (found["n"], found["patients"]) == (8, 4)
