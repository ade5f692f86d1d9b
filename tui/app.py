"""The terminal user interface of Precordia. All work is the services'; this shows it."""

from __future__ import annotations

import asyncio

from textual import work
from textual.app import App

from precordia.catalog import ModelVersion
from precordia.client import DEFAULT_MODEL, Addresses
from precordia.errors import PrecordiaError, Unavailable
from tui import messages, wording
from tui.remote import Remote
from tui.screens.help import HelpScreen
from tui.screens.import_files import ImportScreen, ImportWish
from tui.screens.main import MainScreen
from tui.screens.models import ModelsScreen
from tui.screens.training import TrainingScreen
from tui.training import Training
from tui.widgets.recordings import Recordings

POLL_S = 2.0
"""How often the services are asked how they are, and what is new."""


class PrecordiaApp(App[None]):
    """State and the workers that fetch it."""

    CSS_PATH = "app.tcss"
    TITLE = "Precordia"
    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide")]  # noqa: RUF012 (textual declares it so)
    VERTICAL_BREAKPOINTS = [(0, "-low"), (32, "-high")]  # noqa: RUF012 (the same)

    def __init__(self, recording_id: str = "", addresses: Addresses | None = None, *, poll_s: float = POLL_S) -> None:
        super().__init__()
        self.remote = Remote(addresses or Addresses())
        self.chosen = recording_id
        self.loaded = ""
        self.refused = ""
        """The chosen recording, where the services have no such one."""
        self.models: tuple[ModelVersion, ...] = ()
        self.model: ModelVersion | None = None
        self.serving: frozenset[str] = frozenset()
        self._poll_s = poll_s
        self._poll_now = asyncio.Event()
        self._anew = False
        self.main = MainScreen()

    async def on_mount(self) -> None:
        """Show the screen, then begin to follow the services."""
        self.theme = "textual-dark"
        await self.push_screen(self.main)
        self.follow()

    @work(group="follow", exclusive=True)
    async def follow(self) -> None:
        """Ask the services again and again; what is new is told as messages."""
        while True:
            await self.remote.follow_addresses()
            services = await self.remote.health()
            self.post_message(messages.ServicesSeen(services))
            await self._ask_for_news({service.service for service in services if service.serving})
            try:
                await asyncio.wait_for(self._poll_now.wait(), self._poll_s)
            except TimeoutError:
                continue
            self._poll_now.clear()

    async def _ask_for_news(self, serving: set[str]) -> None:
        try:
            if "ingest" in serving:
                anew, self._anew = self._anew, False
                self.post_message(messages.RecordingsListed(await self.remote.recordings(anew=anew)))
            if "registry" in serving:
                self.post_message(messages.ModelsListed(await self.remote.models()))
        except PrecordiaError as error:
            self.post_message(messages.Failed("list", error.message, again=True))

    @work(group="recording", exclusive=True)
    async def load_recording(self, recording_id: str) -> None:
        """Fetch a recording's traces."""
        try:
            self.post_message(messages.RecordingLoaded(await self.remote.shown(recording_id)))
        except PrecordiaError as error:
            self.post_message(messages.Failed("recording", error.message, again=isinstance(error, Unavailable)))

    @work(group="opinion", exclusive=True)
    async def ask_opinion(self, model: ModelVersion, recording_id: str) -> None:
        """Fetch a model's scores."""
        name = wording.model_name(model)
        try:
            prediction = await self.remote.predicted(wording.reference(model), recording_id)
            self.post_message(messages.PredictionMade(recording_id, name, prediction))
        except PrecordiaError as error:
            self.post_message(messages.PredictionMade(recording_id, name, None, error.message))

    @work(group="import")
    async def import_files(self, wish: ImportWish) -> None:
        """Import files and tell what became of them."""
        try:
            verdicts, first = await self.remote.imported(wish.paths, wish.hints)
            self.post_message(messages.ImportFinished(verdicts, first))
        except PrecordiaError as error:
            self.post_message(messages.Failed("import", error.message, again=False))

    def on_services_seen(self, message: messages.ServicesSeen) -> None:
        """Show who answers; what came back is asked for what is still missing."""
        serving = frozenset(service.service for service in message.services if service.serving)
        returned = serving - self.serving
        self.serving = serving
        self.main.services.services = message.services
        if isinstance(self.screen, TrainingScreen):
            self.screen.services.services = message.services
        if "ingest" in returned:
            self._anew = True
        if not self.loaded and "ingest" not in serving:
            self.main.say("Ingest does not answer.\nStart the services with: precordia up")
        if self.chosen and self.loaded != self.chosen and "ingest" in returned:
            self.load_recording(self.chosen)
        if "inference" in returned:
            self._opine()

    def on_recordings_listed(self, message: messages.RecordingsListed) -> None:
        """Show the list, and the first recording where none is chosen yet."""
        known = {recording.recording_id for recording in message.recordings}
        self.main.recordings.show(message.recordings, self.chosen)
        if not message.recordings and not self.chosen:
            self.main.say("No recordings yet.\nPress i to import ECG files.")
        elif message.recordings and (not self.chosen or (self.loaded and self.loaded not in known)):
            self.choose(message.recordings[-1].recording_id)
        elif self.chosen not in (self.loaded, self.refused):
            self.load_recording(self.chosen)

    def on_models_listed(self, message: messages.ModelsListed) -> None:
        """Take the model in use, or the shipped one, or any."""
        if message.models == self.models:
            return
        self.models = message.models
        by_name = {model.name: model for model in message.models}
        wanted = self.model.name if self.model else DEFAULT_MODEL
        found = by_name.get(wanted) or next(iter(by_name.values()), None)
        if found is not None and (self.model is None or found.ref != self.model.ref):
            self.model = found
            self._opine()

    def on_recordings_chosen(self, message: Recordings.Chosen) -> None:
        """Show what was chosen on the list."""
        self.choose(message.recording_id)
        if message.entered:
            self.main.chart.focus()

    def choose(self, recording_id: str) -> None:
        """Show a recording."""
        if recording_id != self.chosen or self.loaded != recording_id:
            self.chosen = recording_id
            self.load_recording(recording_id)
        self.main.recordings.highlight(recording_id)

    def on_recording_loaded(self, message: messages.RecordingLoaded) -> None:
        """Show it, unless another one was chosen meanwhile, and ask the model."""
        if message.shown.recording.recording_id != self.chosen:
            return
        self.loaded, self.refused = self.chosen, ""
        self.main.show(message.shown)
        self._opine()

    def _opine(self) -> None:
        if self.model is None or not self.loaded:
            return
        opinion = self.main.opinion
        opinion.model, opinion.problem = wording.model_name(self.model), ""
        opinion.prediction, opinion.waiting = None, True
        self.ask_opinion(self.model, self.loaded)

    def on_prediction_made(self, message: messages.PredictionMade) -> None:
        """Show scores of what is on the screen; others come too late."""
        if message.recording_id != self.loaded or self.model is None:
            return
        opinion = self.main.opinion
        opinion.waiting, opinion.model = False, message.model
        opinion.problem, opinion.prediction = message.problem, message.prediction

    def on_failed(self, message: messages.Failed) -> None:
        """Say so; what can be had later is asked for when the services are back."""
        if message.what == "recording" and not message.again:
            self.loaded, self.refused = "", self.chosen
            self.main.say(message.message)
        elif message.what != "list":
            self.notify(message.message, severity="warning")

    def on_import_finished(self, message: messages.ImportFinished) -> None:
        """Say what became of the files, and show the first."""
        kept = sum(verdict.imported for verdict in message.verdicts)
        if kept:
            self.notify(f"{kept} recording{'' if kept == 1 else 's'} imported.")
        for verdict in message.verdicts:
            if verdict.problem:
                self.notify(f"{verdict.name}: {verdict.problem}", severity="warning", timeout=12)
        if message.first_recording:
            self.choose(message.first_recording)
        self._poll_now.set()

    def action_help(self) -> None:
        """All keys."""
        self.push_screen(HelpScreen())

    def action_models(self) -> None:
        """Choose a model."""
        current = self.model.name if self.model else ""

        def chosen(model: ModelVersion | None) -> None:
            if model is not None:
                self.model = model
                self._opine()

        self.push_screen(ModelsScreen(self.models, current), chosen)

    def action_import_files(self) -> None:
        """Import files."""

        def wished(wish: ImportWish | None) -> None:
            if wish is not None:
                self.import_files(wish)

        self.push_screen(ImportScreen(), wished)

    def action_training(self) -> None:
        """Training jobs."""
        screen = TrainingScreen(Training(lambda: self.remote.connection), poll_s=self._poll_s)
        screen.services.services = self.main.services.services
        self.push_screen(screen)

    def action_refresh(self) -> None:
        """Ask again now."""
        self._anew = True
        self._poll_now.set()

    async def on_unmount(self) -> None:
        """Close the connection."""
        await self.remote.close()


def run(recording_id: str = "") -> None:
    """Open the terminal UI, on a recording if one is named, until the user leaves."""
    PrecordiaApp(recording_id).run()
