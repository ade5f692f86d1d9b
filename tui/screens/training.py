"""Training jobs: which there are, and the chosen one as it learns. Workers tell, handlers show."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import ClassVar

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import Screen
from textual.widgets import Footer, Static
from textual.worker import Worker

from precordia.errors import OperationNotFound, PrecordiaError
from precordia.operation import Operation, OperationState
from precordia.training import TrainerStatus
from precordia.training_progress import TrainingFacts, TrainingProgress, places_in_queue, with_place
from tui import bindings, palette
from tui.messages import ChoicesKnown, JobSeen, JobsListed, TrainingAnswered
from tui.screens.confirm import ConfirmScreen
from tui.screens.new_training import NewTrainingScreen, TrainingWish
from tui.training import Training
from tui.training_plots import figures_plot, loss_plot
from tui.widgets.curves import Curves
from tui.widgets.job_heading import JobHeading, now
from tui.widgets.jobs import Jobs
from tui.widgets.services import Services

_AGAIN_S = 2.0
"""After this long a job that could not be followed is tried again."""


class TrainingScreen(Screen[None]):
    """Jobs at the side; of the chosen one facts, curves and what the trainer says."""

    BINDINGS: ClassVar[list[BindingType]] = bindings.bound(bindings.TRAINING)
    AUTO_FOCUS = "#jobs"

    def __init__(self, training: Training, *, poll_s: float, clock: Callable[[], datetime] = now) -> None:
        super().__init__()
        self.training = training
        self.listed: tuple[Operation, ...] = ()
        self.status: TrainerStatus | None = None
        self.chosen = ""
        self.known: dict[str, TrainingProgress] = {}
        """Progress by job, as far as it was followed."""
        self.jobs = Jobs(id="jobs")
        self.heading = JobHeading(clock, id="job-heading")
        self.loss = Curves("Loss", id="loss")
        self.figures = Curves("Validation", id="figures")
        self.log_lines = Static("", id="job-log")
        self.services = Services(id="services")
        self._log = VerticalScroll(id="job-log-frame", can_focus=False)
        self._log.border_title = "What the trainer says"
        self._following: Worker[None] | None = None
        self._poll_s = poll_s
        self._poll_now = asyncio.Event()

    def compose(self) -> ComposeResult:
        """At the side the jobs; the rest is the chosen one's."""
        with Horizontal(id="panes"):
            with Vertical(id="side"):
                yield self.jobs
            with Vertical(id="job"):
                yield self.heading
                with Horizontal(id="curves"):
                    yield self.loss
                    yield self.figures
                with self._log:
                    yield self.log_lines
        yield self.services
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        """Begin to follow the trainer; times go on between its events."""
        self.show_job()
        self.follow_jobs()
        self.set_interval(1.0, self.heading.refresh)

    @work(group="jobs", exclusive=True)
    async def follow_jobs(self) -> None:
        """Ask for the jobs again and again."""
        while True:
            try:
                jobs, status = await self.training.jobs()
                self.post_message(JobsListed(jobs, status))
            except PrecordiaError as error:
                self.post_message(JobsListed((), None, error.message))
            try:
                await asyncio.wait_for(self._poll_now.wait(), self._poll_s)
            except TimeoutError:
                continue
            self._poll_now.clear()

    @work(group="job", exclusive=True)
    async def follow_job(self, job: str, known: TrainingProgress) -> None:
        """Tell the progress of a job until it is finished; a trainer that is away is waited for."""
        newest = known
        while not newest.state.finished:
            try:
                async for snapshot in self.training.progress(job, newest):
                    newest = snapshot
                    self.post_message(JobSeen(job, newest))
                return
            except OperationNotFound:
                return
            except PrecordiaError:
                await asyncio.sleep(_AGAIN_S)  # the list says that the trainer is away

    @work(group="asked")
    async def call_off(self, job: str) -> None:
        """Ask the trainer to end a job."""
        try:
            await self.training.cancel(job)
        except PrecordiaError as error:
            self.app.notify(error.message, severity="warning")
        self._poll_now.set()

    @work(group="choices", exclusive=True)
    async def ask_choices(self) -> None:
        """Fetch what a training can be made of."""
        try:
            self.post_message(ChoicesKnown(await self.training.choices()))
        except PrecordiaError as error:
            self.post_message(ChoicesKnown(None, error.message))

    @work(group="asked")
    async def start(self, wish: TrainingWish) -> None:
        """Ask the trainer for a new job."""
        try:
            started = await self.training.start(wish.name, wish.spec)
            self.post_message(TrainingAnswered(started.operation_id))
        except PrecordiaError as error:
            self.post_message(TrainingAnswered("", error.message))

    def on_jobs_listed(self, message: JobsListed) -> None:
        """Show the list; without a trainer the last one stays, and it is said."""
        self.heading.problem = message.problem or _cannot_train(message.status)
        if message.status is None:
            return
        self.listed, self.status = message.jobs, message.status
        ids = [job.operation_id for job in message.jobs]
        if ids and self.chosen not in ids:
            running = [job.operation_id for job in message.jobs if job.state is OperationState.RUNNING]
            self.choose([*running, *ids][0])
        self.jobs.show(message.jobs, self.chosen)
        self.show_job()
        if ids and (self._following is None or self._following.is_finished):
            self.follow_on()  # a connection that was made anew ends whoever followed over the old one

    def on_jobs_chosen(self, message: Jobs.Chosen) -> None:
        """Show what was chosen on the list."""
        if message.job != self.chosen:
            self.choose(message.job)

    def choose(self, job: str) -> None:
        """Show a job, and follow it from where it was left."""
        self.chosen = job
        self.show_job()
        self.follow_on()

    def follow_on(self) -> None:
        """Follow the chosen job from its last known event, unless all of it is known."""
        known = self.known.get(self.chosen, TrainingProgress())
        if not known.state.finished:
            self._following = self.follow_job(self.chosen, known)

    def on_job_seen(self, message: JobSeen) -> None:
        """Keep what is known; show it where it is the chosen one's."""
        self.known[message.job] = message.progress
        if message.job == self.chosen:
            self.show_job()
            if message.progress.state.finished:
                self._poll_now.set()

    def show_job(self) -> None:
        """The chosen job as it is known, or what to do where there is none."""
        job = next((one for one in self.listed if one.operation_id == self.chosen), None)
        progress = self.known.get(self.chosen, TrainingProgress())
        self.heading.facts = TrainingFacts.of(job) if job else None
        begun = job is not None and job.state is not OperationState.PENDING
        self.heading.asking = begun and not progress.number
        self.heading.progress = with_place(progress, places_in_queue(self.listed).get(self.chosen, 0))
        self.loss.plot, self.figures.plot = loss_plot(progress, self._note(progress)), figures_plot(progress)
        lines = [*progress.sentences, job.error_message] if job and job.error_message else progress.sentences
        self.log_lines.update(Text("\n".join(lines)))
        self._log.anchor()  # at the end, also when the layout comes later

    def _note(self, progress: TrainingProgress) -> str:
        """What stands where curves will be."""
        if not self.chosen:
            return "No training yet. Press n to begin one."
        return "No epoch was finished." if progress.state.finished else "Curves begin with the first epoch."

    def action_new_training(self) -> None:
        """Ask what there is, then the user."""
        self.ask_choices()

    def on_choices_known(self, message: ChoicesKnown) -> None:
        """Open the dialog, unless it is open already."""
        if message.choices is None:
            self.app.notify(message.problem, severity="warning")
        elif self.app.screen is self:
            self.app.push_screen(NewTrainingScreen(message.choices, self.start))

    def on_training_answered(self, message: TrainingAnswered) -> None:
        """Close the dialog and show the new job; a refusal is said in the dialog."""
        dialog = self.app.screen
        if isinstance(dialog, NewTrainingScreen):
            if message.problem:
                dialog.refuse(message.problem)
                return
            dialog.dismiss()
        if message.job:
            self.choose(message.job)
            self._poll_now.set()

    def action_cancel_job(self) -> None:
        """Ask first: what a job has learned is lost when it is called off."""
        job = next((one for one in self.listed if one.operation_id == self.chosen), None)
        if job is None or job.state.finished:
            self.app.notify("There is no job under way to call off.")
            return
        name = TrainingFacts.of(job).name

        def answered(yes: bool | None) -> None:
            if yes:
                self.call_off(job.operation_id)

        question = f"Call off the training of {name}? What it has learned so far is not kept."
        self.app.push_screen(ConfirmScreen("Call off", question), answered)

    def action_refresh(self) -> None:
        """Ask again now."""
        self._poll_now.set()

    def action_theme(self) -> None:
        """Curves by day or by night."""
        wanted = palette.DAY if self.loss.palette is palette.NIGHT else palette.NIGHT
        self.loss.palette = self.figures.palette = wanted


def _cannot_train(status: TrainerStatus | None) -> str:
    return status.message if status and not status.can_train else ""
