"""A model's opinion: a bar for each score, coloured by it."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Group
from rich.text import Text
from textual.reactive import reactive
from textual.widgets import Static

from precordia.manifest import Task
from precordia.prediction import Prediction, Score
from precordia.record import Remark
from tui import palette

_EIGHTHS = " ▏▎▍▌▋▊▉█"
_NAME_COLUMNS = 14
_REMARK = {True: "bold italic", False: "dim italic"}


class Opinion(Static):
    """Scores of one model on one recording; or what stands between us and them."""

    prediction: reactive[Prediction | None] = reactive(None, layout=True)
    model: reactive[str] = reactive("", layout=True)
    problem: reactive[str] = reactive("", layout=True)
    waiting: reactive[bool] = reactive(False, layout=True)

    def render(self) -> Group:
        """Model, bars, remarks."""
        lines = [Text(self.model or "no model", style="bold", no_wrap=True, overflow="ellipsis")]
        prediction = self.prediction
        if self.problem:
            lines.append(Text(self.problem, style="italic"))
        elif prediction is None:
            lines.append(Text("asking ..." if self.waiting else "choose a recording", style="dim"))
        elif prediction.error_message:
            lines.append(Text(prediction.error_message, style="italic"))
        else:
            lines += self._scores(prediction)
        return Group(*lines)

    def _scores(self, prediction: Prediction) -> list[Text]:
        width = max(self.size.width, 12)
        names = min(max((len(score.name) for score in prediction.scores), default=0), _NAME_COLUMNS)
        bars = width - names - 7
        ranked = prediction.scores
        if prediction.task is not Task.REGRESSION:
            ranked = tuple(sorted(prediction.scores, key=lambda score: -score.value))
        lines = [Text(_kind(prediction.task), style="dim")]
        lines += [_line(score, prediction.task, names, bars) for score in ranked]
        return lines + said(prediction.remarks)


def said(remarks: Iterable[Remark]) -> list[Text]:
    """A line for each remark, with all the leads it is about; what is wrong with the signal stands out."""
    leads: dict[tuple[bool, str], list[str]] = {}
    for remark in remarks:
        leads.setdefault((remark.code.startswith("quality_"), remark.message), []).append(remark.lead)
    return [
        Text(f"{at}: {message}" if (at := " ".join(filter(None, concerned))) else message, _REMARK[of_quality])
        for (of_quality, message), concerned in sorted(leads.items(), key=lambda entry: not entry[0][0])
    ]


def _kind(task: Task | None) -> str:
    return {
        Task.MULTILABEL: "each by itself, 0 to 1",
        Task.MULTICLASS: "one of these, together 1",
        Task.REGRESSION: "estimated values",
    }.get(task or Task.MULTILABEL, "")


def _line(score: Score, task: Task | None, names: int, bars: int) -> Text:
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(f"{score.name[:names]:<{names}} ")
    if task is Task.REGRESSION:
        text.append(f"{score.value:.4g} {score.unit}", style="bold")
        return text
    colour = palette.score_colour(score.value)
    text.append(f"{bar(score.value, bars)} ", style=colour)
    above = score.threshold is not None and score.value >= score.threshold
    text.append(f"{score.value:.2f}", style=f"bold {colour}")
    text.append("!" if above else " ", style=f"bold {colour}")
    return text


def bar(value: float, columns: int) -> str:
    """A bar of 0 to 1 in eighths of a column, padded to its width."""
    eighths = round(min(max(value, 0.0), 1.0) * columns * 8)
    whole, part = divmod(eighths, 8)
    return ("█" * whole + (_EIGHTHS[part] if part else "")).ljust(columns)[:columns]
