"""The trainer: what its API answers, without the API."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from precordia.catalog import LATEST, MODEL_ONNX, WEIGHTS, ModelVersion, checked_name
from precordia.errors import InvalidArgument, Overloaded
from precordia.manifest import Manifest
from precordia.models.networks import networks
from precordia.operation import Operation, OperationState
from precordia.operations import Operations
from precordia.rpc.deadline import remaining_s
from precordia.training import NetworkInfo, TrainerStatus
from services.trainer.capability import Probe
from services.trainer.engine import Engine
from services.trainer.jobs import KIND, MANIFEST, pinned
from services.trainer.planning.plan import check_spec, make_plan
from services.trainer.planning.spec_json import TrainingRequest
from services.trainer.records.cache import check_room, data_bytes
from services.trainer.records.memory import check_memory, table_bytes
from services.trainer.remote import Remote
from services.trainer.settings import TrainerSettings
from services.trainer.weights.upload import WeightsUpload

_PATIENCE_S = 60.0
_WAITING_SHARE = 0.5
"""Of a call's time, for learning what can be trained here; the rest is for the call's own work."""
_STATUS_PATIENCE_S = 10.0


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
        self._conversions = asyncio.Semaphore(1)  # each takes a process and, for large networks, much memory

    async def start(self, request: TrainingRequest, request_id: str) -> Operation:
        """Admit a job; the same request id gives the same job.

        What can be refused is refused now rather than in the job: an unknown network or recipe, a
        dataset or split that is not there, labels that it does not have.

        Raises:
            MissingDependency: torch is not installed; the message says how to install it.
            InvalidTrainingSpec, NetworkNotFound, DatasetNotFound, SnapshotNotFound ...: it cannot be carried out.
            StorageFull, FailedPrecondition: the disk or the memory has no room for its data.
            Overloaded: as many jobs wait as may, or it is not known yet what can be trained here.
        """
        checked_name(request.name)
        for alias in request.aliases:
            if checked_name(alias, field="aliases") == LATEST:
                raise InvalidArgument(
                    f"'{LATEST}' is always the newest version; choose another alias.", field="aliases"
                )
        check_spec(request.spec)
        await self._check_capability()
        snapshots, base = await self._remote.ask(lambda precordia: pinned(precordia, request.spec))
        plan, _ = make_plan(
            request.spec,
            snapshots,
            base=base,
            rate_hz=self._settings.rate_hz,
            duration_s=self._settings.duration_s,
            threads=self._settings.threads,
        )
        check_memory(table_bytes(plan, snapshots))
        cache = self._settings.cache
        await asyncio.to_thread(lambda: check_room(cache, data_bytes(plan, snapshots, cache)))
        operation, _ = await asyncio.to_thread(self._operations.submit, KIND, request.to_json(), request_id)
        return operation

    @contextmanager
    def weights(self) -> Iterator[WeightsUpload]:
        """A place for a file of weights to arrive."""
        with WeightsUpload(self._settings.home / "trainer" / "uploads", self._settings.weights_bytes) as upload:
            yield upload

    async def publish_weights(self, upload: WeightsUpload) -> tuple[ModelVersion, bool]:
        """Convert weights that arrived and publish the model; False where the same was published before.

        Raises:
            MissingDependency: torch is not installed; the message says how to install it.
            Overloaded: it is not known yet whether it is.
            InvalidModel, ...: they are not the network's weights, or what they mean is not known.
        """
        await self._check_capability()
        async with self._conversions:
            await upload.convert()
        order, outputs = upload.order, upload.outputs
        manifest = Manifest.parse((outputs / MANIFEST).read_bytes())
        artifacts = {name: outputs / name for name in (MODEL_ONNX, WEIGHTS)}
        return await self._remote.ask(
            lambda precordia: precordia.registry.publish(
                order.name, manifest, artifacts, upload.lineage, order.aliases, order.request_id
            )
        )

    def networks(self) -> list[NetworkInfo]:
        """What can be trained from scratch."""
        return [network.info for network in networks().values()]

    async def _check_capability(self) -> None:
        """Refuse where nothing can be trained; where that is not known yet, wait for as long as the caller can."""
        left = remaining_s()
        within_s = _PATIENCE_S if left is None else min(_PATIENCE_S, _WAITING_SHARE * left)
        (await asyncio.to_thread(self._probe.capability, within_s)).check()

    def status(self) -> TrainerStatus:
        """What this trainer can do and what it does."""
        try:
            capability = self._probe.capability(_STATUS_PATIENCE_S)
            can_train, message, devices = capability.can_train, capability.message, capability.devices
        except Overloaded as starting:
            can_train, message, devices = False, starting.message, ()
        newest_first = self._operations.list(1000, kind=KIND)[0]
        queue = [one.operation_id for one in reversed(newest_first) if one.state is OperationState.PENDING]
        return TrainerStatus(
            can_train=can_train,
            message=message,
            engine=self._engine.name,
            devices=devices,
            running=sum(one.state is OperationState.RUNNING for one in newest_first),
            waiting=len(queue),
            queue=tuple(queue),
        )
