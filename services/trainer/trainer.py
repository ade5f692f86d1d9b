"""The trainer: what its API answers, without the API."""

from __future__ import annotations

import asyncio

from precordia.catalog import LATEST, checked_name
from precordia.errors import InvalidArgument
from precordia.models.networks import networks
from precordia.operation import Operation, OperationState
from precordia.operations import Operations
from precordia.training import NetworkInfo, TrainerStatus
from services.trainer.capability import Probe
from services.trainer.engine import Engine
from services.trainer.jobs import KIND, pin
from services.trainer.plan import check_spec, make_plan
from services.trainer.remote import Remote
from services.trainer.settings import TrainerSettings
from services.trainer.spec_json import TrainingRequest


class Trainer:
    """Admits training jobs and says what can be trained here."""

    def __init__(
        self, settings: TrainerSettings, operations: Operations, engine: Engine, remote: Remote, probe: Probe
    ) -> None:
        self._settings = settings
        self._operations = operations
        self._engine = engine
        self._remote = remote
        self._probe = probe

    async def start(self, request: TrainingRequest, request_id: str) -> Operation:
        """Admit a job; the same request id gives the same job.

        What can be refused is refused now rather than in the job: an unknown network or recipe, a
        dataset or split that is not there, labels that it does not have.

        Raises:
            MissingDependency: torch is not installed; the message says how to install it.
            InvalidTrainingSpec, NetworkNotFound, DatasetNotFound, SnapshotNotFound ...: it cannot be carried out.
        """
        checked_name(request.name)
        for alias in request.aliases:
            if checked_name(alias, field="aliases") == LATEST:
                raise InvalidArgument(
                    f"'{LATEST}' is always the newest version; choose another alias.", field="aliases"
                )
        check_spec(request.spec)
        (await asyncio.to_thread(self._probe.capability)).check()
        snapshots = await self._remote.ask(lambda precordia: pin(precordia, request.spec))
        make_plan(
            request.spec,
            snapshots,
            rate_hz=self._settings.rate_hz,
            duration_s=self._settings.duration_s,
            threads=self._settings.threads,
        )
        operation, _ = await asyncio.to_thread(self._operations.submit, KIND, request.to_json(), request_id)
        return operation

    def networks(self) -> list[NetworkInfo]:
        """What can be trained from scratch."""
        return [network.info for network in networks().values()]

    def status(self) -> TrainerStatus:
        """What this trainer can do and what it does."""
        capability = self._probe.capability()
        states = [operation.state for operation in self._operations.list(1000, kind=KIND)[0]]
        return TrainerStatus(
            can_train=capability.can_train,
            message=capability.message,
            engine=self._engine.name,
            devices=capability.devices,
            running=states.count(OperationState.RUNNING),
            waiting=states.count(OperationState.PENDING),
        )
