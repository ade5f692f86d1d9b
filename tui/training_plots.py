"""From a job's progress to its two plots."""

from __future__ import annotations

from precordia.training_progress import Figure, Phase, TrainingProgress
from tui.canvas import Ink
from tui.plot import Plot, Series

_INKS = (Ink.SECOND, Ink.TRACE)
_SHORT = {"training loss": "training", "validation loss": "validation"}
_SHOWN = (("auroc_macro", "f1_weighted"), ("mae_macro", "rmse_macro"))
"""Pairs of figures, the first pair that a job has any of is drawn; the first figure of a pair lies above."""


def loss_plot(progress: TrainingProgress, note: str) -> Plot:
    """Losses by epoch, with a star on the smallest validation loss."""
    return _plot(progress, tuple(figure for figure in progress.figures() if figure.is_loss), note)


def figures_plot(progress: TrainingProgress) -> Plot:
    """The figures that say how good the model is, with the same star."""
    present = {figure.name: figure for figure in progress.figures()}
    pair = next((pair for pair in _SHOWN if any(name in present for name in pair)), ())
    return _plot(progress, tuple(present[name] for name in reversed(pair) if name in present), "")


def _plot(progress: TrainingProgress, figures: tuple[Figure, ...], note: str) -> Plot:
    newest, best = progress.epoch, progress.best
    inks = _INKS[-len(figures) :] if figures else ()
    series = tuple(
        Series(_SHORT.get(figure.words, figure.words), progress.curve(figure.name), ink)
        for figure, ink in zip(figures, inks, strict=True)
    )
    over = progress.phase in (Phase.EXPORTING, Phase.PUBLISHED)
    planned = newest.planned if newest and not over else 0  # one that stopped early fills the width
    return Plot(series, planned=planned, marked=best.number if best else 0, note=note)
