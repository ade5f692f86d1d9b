"""Above the curves: which job, what of, and how far it is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from rich.text import Text
from textual.reactive import reactive
from textual.widgets import Static

from precordia.training_progress import (
    Phase,
    Standing,
    TrainingFacts,
    TrainingProgress,
    duration_words,
    standings,
    step_words,
)
from tui.widgets.opinion import bar

_MARKS = {
    Standing.OVER: ("✓", "#8fbf7f"),
    Standing.NOW: ("●", "bold #7fb2e5"),
    Standing.STOPPED: ("✗", "#f26d5b"),
    Standing.AHEAD: ("○", "dim"),
}
_WORDY_FROM = 84
"""Columns from which every phase is named; below, only the one under way."""
_BAR_COLUMNS = (8, 30)
_BESIDE_BAR = 62
"""Columns that the words beside the bar take."""


def now() -> datetime:
    """The time, as events have it."""
    return datetime.now(UTC)


class JobHeading(Static):
    """Four lines: name and facts, phases, progress, the best epoch or what is wrong."""

    facts: reactive[TrainingFacts | None] = reactive(None)
    progress: reactive[TrainingProgress] = reactive(TrainingProgress)
    asking: reactive[bool] = reactive(False)
    """Whether nothing is known of the job's progress yet."""
    problem: reactive[str] = reactive("")

    def __init__(self, clock: Callable[[], datetime] = now, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._clock = clock

    def render(self) -> Text:
        """The lines."""
        text = Text(no_wrap=True, overflow="ellipsis")
        if self.facts is None:
            return text.append("Training", style="bold")
        facts = self.facts
        text.append(facts.name, style="bold")
        said = (facts.base, facts.method, facts.dataset, facts.label_group, f"recipe {facts.recipe}", self._elapsed())
        text.append("   " + " · ".join(part for part in said if part) + "\n", style="dim")
        if self.asking:
            text.append("asking the trainer ...\n", style="dim")
        else:
            self._append_progress(text)
        if self.problem:
            return text.append(f"\n{self.problem}", style="#ef9460")
        return self._append_best(text)

    def _append_progress(self, text: Text) -> None:
        progress = self.progress
        for words, standing in standings(progress):
            mark, style = _MARKS[standing]
            named = self.size.width >= _WORDY_FROM or standing in (Standing.NOW, Standing.STOPPED)
            text.append(f"{mark} {words}   " if named else f"{mark}   ", style=style)
        text.append(f"\n{step_words(progress)}")
        share = _share(progress)
        if share is not None and not progress.state.finished:
            least, most = _BAR_COLUMNS
            columns = min(max(self.size.width - _BESIDE_BAR, least), most)
            text.append(f"  {bar(share, columns)}", style="#7fb2e5")
            text.append(f" {share:.0%}", style="bold")
        left_s = progress.left_s(self._clock())
        if left_s is not None and not progress.state.finished:
            text.append(f"   {progress.epoch_s:.3g} s an epoch, at most {duration_words(left_s)} left", style="dim")

    def _append_best(self, text: Text) -> Text:
        best = self.progress.best
        if best is None:
            return text
        text.append("\n★ ", style="#ffb454")
        figures = [figure for figure in self.progress.figures() if figure.name in best.figures]
        said = ", ".join(f"{figure.words} {best.figures[figure.name]:.3f}" for figure in figures[1:])
        return text.append(f"epoch {best.number}: {said}", style="dim")

    def _elapsed(self) -> str:
        progress = self.progress
        end = progress.changed_at if progress.state.finished else self._clock()
        if progress.began_at is None or end is None:
            return ""
        return duration_words(max(0.0, (end - progress.began_at).total_seconds()))


def _share(progress: TrainingProgress) -> float | None:
    if progress.phase is Phase.PREPARING:
        return progress.done / progress.total if progress.total else None
    return progress.share
