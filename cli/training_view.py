"""A training job on a terminal: phases, a bar, figures with their best epoch, and how the figures ran."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from precordia.training_progress import (
    Figure,
    Phase,
    Standing,
    TrainingFacts,
    TrainingProgress,
    duration_words,
    standings,
    step_words,
)

_BLOCKS = "▁▂▃▄▅▆▇█"
_SPARK_COLUMNS = 30
_BAR_COLUMNS = 36
_MARKS = {
    Standing.OVER: ("✓", "green"),
    Standing.NOW: ("●", "bold cyan"),
    Standing.STOPPED: ("✗", "red"),
    Standing.AHEAD: ("○", "dim"),
}


class TrainingView:
    """What is drawn of a job. Whoever follows the job sets `progress` and `away`; drawing only reads them."""

    def __init__(self, job: str, facts: TrainingFacts) -> None:
        self.progress = TrainingProgress()
        self.away = False
        """Whether the trainer does not answer at the moment."""
        self.job = job
        self._facts = facts

    def render(self) -> RenderableType:
        """The view as it stands now."""
        progress = self.progress
        parts: list[RenderableType] = [self._title(), phases_line(progress), self._bar()]
        if progress.epochs:
            parts.append(figures_table(progress))
        parts.append(self._foot())
        return Group(*(Padding(part, (0, 0, 0, 1)) for part in parts))

    def _title(self) -> Text:
        facts = self._facts
        text = Text(no_wrap=True, overflow="ellipsis")
        text.append(f"Training {facts.name}", style="bold")
        said = (facts.base, facts.method, facts.dataset, f"recipe {facts.recipe}", self._elapsed())
        return text.append("   " + " · ".join(part for part in said if part), style="dim")

    def _elapsed(self) -> str:
        progress = self.progress
        end = progress.changed_at if progress.state.finished else datetime.now(UTC)
        if progress.began_at is None or end is None:
            return ""
        return duration_words(max(0.0, (end - progress.began_at).total_seconds()))

    def _bar(self) -> RenderableType:
        progress = self.progress
        if progress.state.finished or progress.phase is Phase.WAITING:
            return Text(step_words(progress))
        row = Table.grid(padding=(0, 2, 0, 0))
        share = _share(progress)
        bar = ProgressBar(100, 100 * (share or 0.0), width=_BAR_COLUMNS, pulse=share is None)
        row.add_row(Text(step_words(progress), no_wrap=True), bar, Text(_pace_words(progress), style="dim"))
        return row

    def _foot(self) -> Text:
        if self.away:
            return Text(
                "The trainer does not answer; trying again. The job goes on from its last checkpoint.", "yellow"
            )
        if self.progress.state.finished:
            return Text(f"job {self.job}", style="dim")
        return Text("ctrl+c leaves this view; the job goes on", style="dim")


def phases_line(progress: TrainingProgress) -> Text:
    """Each phase with a mark: over, under way, to come."""
    text = Text(no_wrap=True, overflow="ellipsis")
    for words, standing in standings(progress):
        mark, style = _MARKS[standing]
        text.append(f"{mark} {words}   ", style=style)
    return text


def _share(progress: TrainingProgress) -> float | None:
    if progress.phase is Phase.PREPARING:
        return progress.done / progress.total if progress.total else None
    return progress.share


def _pace_words(progress: TrainingProgress) -> str:
    epoch_s, left_s = progress.epoch_s, progress.left_s(datetime.now(UTC))
    if epoch_s is None or left_s is None:
        return ""
    return f"{epoch_s:.3g} s an epoch, at most {duration_words(left_s)} left"


def figures_table(progress: TrainingProgress) -> Table:
    """Figures of the newest epoch beside those of the epoch with the smallest validation loss."""
    newest, best = progress.epoch, progress.best
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("")
    table.add_column(f"epoch {newest.number}" if newest else "", justify="right")
    table.add_column(f"★ epoch {best.number}" if best else "", justify="right")
    table.add_column("by epoch")
    for figure in progress.figures():
        now, then = (epoch.figures.get(figure.name) if epoch else None for epoch in (newest, best))
        marked = "bold yellow" if newest is best and figure.name == "validation_loss" else ""
        table.add_row(figure.words, Text(_number(now), marked), _number(then), _curve(progress, figure))
    return table


def _curve(progress: TrainingProgress, figure: Figure) -> Text:
    return Text(sparkline(progress.curve(figure.name), _SPARK_COLUMNS), style="cyan" if figure.is_loss else "green")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}" if abs(value) < 10 else f"{value:.4g}"


def sparkline(values: Sequence[float | None], columns: int) -> str:
    """Values as blocks between their smallest and their largest; of more than fit, the mean of neighbours."""
    groups = min(len(values), columns)
    means: list[float | None] = []
    for index in range(groups):
        some = values[index * len(values) // groups : (index + 1) * len(values) // groups]
        known = [value for value in some if value is not None]
        means.append(sum(known) / len(known) if known else None)
    known = [value for value in means if value is not None]
    if not known:
        return ""
    low, span = min(known), (max(known) - min(known)) or 1.0
    return "".join(
        " " if value is None else _BLOCKS[round((value - low) / span * (len(_BLOCKS) - 1))] for value in means
    )
