"""Curves by epoch: where they run, and what stands around them."""

from __future__ import annotations

import numpy as np
import pytest

from precordia.training_progress import Epoch, Phase, TrainingProgress
from tui.canvas import Canvas, Ink
from tui.plot import Plot, Series, drawn_plot, number
from tui.training_plots import figures_plot, loss_plot

WIDTH, HEIGHT, GUTTER = 47, 12, 7


def text(canvas: Canvas, row: int) -> str:
    return "".join(map(chr, canvas.codes[row]))


def rows_of(canvas: Canvas, ink: Ink, column: int) -> list[int]:
    """Rows of the plot, from 0 at its top, in which a column shows this ink."""
    return (np.flatnonzero(canvas.inks[1:-1, GUTTER + column] == ink)).tolist()


def test_a_rising_curve_runs_from_the_lower_left_to_the_upper_right() -> None:
    canvas = drawn_plot(Plot((Series("a", tuple(range(10)), Ink.TRACE),)), WIDTH, HEIGHT)
    assert rows_of(canvas, Ink.TRACE, 0) == [HEIGHT - 3]
    assert rows_of(canvas, Ink.TRACE, WIDTH - GUTTER - 1) == [0]
    tops = [min(rows_of(canvas, Ink.TRACE, column)) for column in range(WIDTH - GUTTER)]
    assert tops == sorted(tops, reverse=True)


def test_a_run_under_way_leaves_room_for_the_epochs_to_come() -> None:
    canvas = drawn_plot(Plot((Series("a", (3.0, 2.0), Ink.TRACE),), planned=8), WIDTH, HEIGHT)
    drawn = [column for column in range(WIDTH - GUTTER) if rows_of(canvas, Ink.TRACE, column)]
    assert drawn[0] == 0
    assert drawn[-1] <= (WIDTH - GUTTER) * 3 / 8
    assert text(canvas, HEIGHT - 1).endswith("epoch 8")


def test_one_epoch_is_seen() -> None:
    canvas = drawn_plot(Plot((Series("a", (3.0,), Ink.TRACE),), planned=4), WIDTH, HEIGHT)
    assert (canvas.inks == Ink.TRACE).sum() > 3


def test_more_epochs_than_dots_keep_their_extremes() -> None:
    values = [0.0] * 1000
    values[500] = 1.0
    canvas = drawn_plot(Plot((Series("a", tuple(values), Ink.TRACE),)), WIDTH, HEIGHT)
    assert 0 in rows_of(canvas, Ink.TRACE, (WIDTH - GUTTER) // 2)


def test_an_epoch_without_a_value_is_a_gap() -> None:
    values = (1.0, 1.0, None, None, None, 2.0, 2.0)
    canvas = drawn_plot(Plot((Series("a", values, Ink.TRACE),)), WIDTH, HEIGHT)
    assert not rows_of(canvas, Ink.TRACE, (WIDTH - GUTTER) // 2)
    assert not drawn_plot(Plot((Series("a", (None,), Ink.TRACE),)), WIDTH, HEIGHT).inks.any()


def test_the_star_stands_on_the_best_epoch_of_the_last_series() -> None:
    series = (Series("a", (9.0, 9.0, 9.0, 9.0), Ink.SECOND), Series("b", (4.0, 1.0, 2.0, 3.0), Ink.TRACE))
    canvas = drawn_plot(Plot(series, marked=2), WIDTH, HEIGHT)
    (row,), (column,) = np.nonzero(canvas.codes[:-1] == ord("★"))
    assert row - 1 == HEIGHT - 3
    assert column == GUTTER + int(1.5 / 4 * (WIDTH - GUTTER))
    assert "★ least loss, epoch 2" in text(canvas, HEIGHT - 1)


def test_values_stand_at_their_levels_and_newest_ones_in_the_legend() -> None:
    canvas = drawn_plot(Plot((Series("loss", (0.5, 0.25), Ink.TRACE),)), WIDTH, HEIGHT)
    assert text(canvas, 0).strip() == "━━ loss 0.250"
    assert text(canvas, 1).startswith(" 0.500")
    assert text(canvas, HEIGHT - 2).startswith(" 0.250")


@pytest.mark.parametrize("size", [(0, 0), (5, 3), (8, 30), (200, 2)])
def test_no_size_is_too_small(size: tuple[int, int]) -> None:
    assert drawn_plot(Plot((Series("a", (1.0, 2.0), Ink.TRACE),), note="nothing"), *size).codes.shape == size[::-1]


@pytest.mark.parametrize(
    ("value", "shown"), [(None, ""), (0.12345, "0.123"), (12.345, "12.3"), (-3.0, "-3.000"), (12345.0, "1.23e+04")]
)
def test_numbers_are_short(value: float | None, shown: str) -> None:
    assert number(value) == shown


def progress(**figures: float) -> TrainingProgress:
    epochs = tuple(Epoch(n, 5, figures={name: value / n for name, value in figures.items()}) for n in (1, 2))
    return TrainingProgress(phase=Phase.TRAINING, epochs=epochs)


def test_a_classifier_shows_auroc_and_f1_and_a_regression_its_errors() -> None:
    losses = {"train_loss": 1.0, "validation_loss": 2.0}
    made = progress(**losses, auroc_macro=0.9, f1_weighted=0.8, f1_macro=0.7)
    assert [one.name for one in loss_plot(made, "").series] == ["training", "validation"]
    assert [(one.name, one.ink) for one in figures_plot(made).series] == [
        ("weighted F1", Ink.SECOND),
        ("AUROC", Ink.TRACE),
    ]
    assert (loss_plot(made, "").planned, loss_plot(made, "").marked) == (5, 2)
    errors = figures_plot(progress(**losses, mae_macro=3.0))
    assert [(one.name, one.values) for one in errors.series] == [("mean absolute error", (3.0, 1.5))]
    assert loss_plot(TrainingProgress(), "wait").note == "wait"
