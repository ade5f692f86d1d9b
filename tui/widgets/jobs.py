"""The list of training jobs."""

from __future__ import annotations

from rich.text import Text
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from precordia.operation import Operation, OperationState
from precordia.training_progress import TrainingFacts, places_in_queue, waiting_words
from tui.widgets.opinion import bar

_MARKS = {
    OperationState.PENDING: ("◌", "#a08580"),
    OperationState.RUNNING: ("●", "#7fb2e5"),
    OperationState.SUCCEEDED: ("✓", "#8fbf7f"),
    OperationState.FAILED: ("✗", "#f26d5b"),
    OperationState.CANCELLED: ("⊘", "#e3b765"),
}
_BAR_COLUMNS = 12


class Jobs(OptionList):
    """Jobs by the model that comes of them, newest first, with a line on how far each is."""

    class Chosen(Message):
        """A job is to be shown."""

        def __init__(self, job: str) -> None:
            super().__init__()
            self.job = job

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 (textual's name)
        super().__init__(id=id, compact=True)
        self.border_title = "Training jobs"
        self._ids: tuple[str, ...] = ()

    def show(self, jobs: tuple[Operation, ...], chosen: str) -> None:
        """List jobs, and keep the chosen one highlighted."""
        places = places_in_queue(jobs)
        prompts = [_prompt(job, places.get(job.operation_id, 0)) for job in jobs]
        ids = tuple(job.operation_id for job in jobs)
        if ids == self._ids:
            for index, prompt in enumerate(prompts):
                self.replace_option_prompt_at_index(index, prompt)
        else:
            self._ids = ids
            with self.prevent(OptionList.OptionHighlighted):
                self.clear_options()
                self.add_options([Option(prompt, id=name) for name, prompt in zip(ids, prompts, strict=True)])
        self.border_subtitle = f"{len(jobs)}" if jobs else ""
        self.highlight(chosen)

    def highlight(self, job: str) -> None:
        """Highlight a job, if it is listed."""
        if job in self._ids and self.highlighted != self._ids.index(job):
            with self.prevent(OptionList.OptionHighlighted):
                self.highlighted = self._ids.index(job)

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Moving on the list shows at once."""
        event.stop()
        if event.option_id:
            self.post_message(self.Chosen(event.option_id))


def _prompt(job: Operation, place: int) -> Text:
    mark, colour = _MARKS[job.state]
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(f"{mark} ", style=colour)
    text.append(TrainingFacts.of(job).name or "(no name)", style="bold")
    return text.append(f"\n  {_standing(job, place)}", style="dim")


def _standing(job: Operation, place: int) -> str:
    if job.state is OperationState.PENDING:
        return waiting_words(place)
    if job.state is OperationState.RUNNING:
        return f"{bar(job.done / job.total, _BAR_COLUMNS)} {job.done}/{job.total}" if job.total else "preparing"
    since = f"{job.created_at:%Y-%m-%d %H:%M}" if job.created_at else ""
    return {OperationState.FAILED: "failed", OperationState.CANCELLED: "called off"}.get(job.state, "") or since
