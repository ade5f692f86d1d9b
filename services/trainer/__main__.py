"""The trainer service: `python -m services.trainer`. The one place where its objects are made."""

from __future__ import annotations

import asyncio

from precordia.client import Addresses
from precordia.operations import Operations
from precordia.rpc.server import ServiceApp, run_main
from precordia.storage.database import open_database
from services.trainer.capability import Probe
from services.trainer.engine import Engine
from services.trainer.job.environment import worker_environment
from services.trainer.jobs import KIND, TrainingJobs
from services.trainer.local_engine import LocalEngine
from services.trainer.remote import Remote
from services.trainer.servicer import TRAINER_SERVICE, register_trainer
from services.trainer.settings import TrainerSettings
from services.trainer.trainer import Trainer


def build(settings: TrainerSettings, probe: Probe | None = None, engine: Engine | None = None) -> ServiceApp:
    """The trainer, ready to be served. A probe that was asked already answers at once; no engine = child processes."""
    engine = engine or LocalEngine(worker_environment(settings))
    remote = Remote(Addresses(ingest=settings.ingest, registry=settings.registry), settings.patience_s)
    database = open_database(settings.database, "precordia.operations.migrations")
    jobs = TrainingJobs(settings, engine, remote)
    operations = Operations(database, {KIND: jobs}, workers=settings.jobs_at_once, waiting={KIND: settings.waiting})
    trainer = Trainer(settings, operations, engine, remote, probe or Probe())

    async def startup() -> None:
        remote.attach()

    async def shutdown() -> None:
        await asyncio.to_thread(database.dispose)

    return ServiceApp(
        name="trainer",
        settings=settings,
        register=lambda server: register_trainer(server, trainer),
        service_names=(TRAINER_SERVICE,),
        operations=operations,
        startup=startup,
        shutdown=shutdown,
    )


def main() -> None:
    """Serve until told to stop."""
    probe = Probe()
    probe.start()  # early, so that nobody waits for it
    run_main(TrainerSettings, lambda settings: build(settings, probe))


if __name__ == "__main__":
    main()
