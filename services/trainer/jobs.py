"""Training jobs: what the handler of the operation kind "train" does, attempt after attempt.

The plan is made once and kept in the job's folder. The worker writes a journal there, which is
relayed into the operation's events; each event and the journal's offset behind it are one
transaction. Publishing carries a request id that follows from the operation, so that a service
that dies between publishing and noting so does not publish twice.
"""

from __future__ import annotations

import json
import logging
import shutil
import uuid
from collections.abc import Mapping
from typing import Any

from precordia.catalog import OPERATING_POINTS, REPORT, Lineage, ModelVersion
from precordia.client import Connection
from precordia.dataset import Snapshot, SplitRef
from precordia.errors import InternalError, PrecordiaError, SnapshotNotFound, Unavailable
from precordia.manifest import Manifest
from precordia.operations import OperationContext
from precordia.training import TrainingSpec
from services.trainer.engine import Engine, Handle
from services.trainer.job.folder import ABOUT, CHECKPOINT, MEMBERS, PLAN, SEARCH, JobFolder, Outcome
from services.trainer.job.journal import read_journal
from services.trainer.planning.bases import PinnedBase, pin_base
from services.trainer.planning.plan import TEST, TRAIN, VALIDATION, Plan, make_plan
from services.trainer.planning.spec_json import TrainingRequest
from services.trainer.remote import Remote
from services.trainer.settings import TrainerSettings

log = logging.getLogger(__name__)

KIND = "train"
MANIFEST = "manifest.json"
_NO_FILES = (MANIFEST, OPERATING_POINTS)
"""Outputs that the registry keeps beside a version, not among its files."""
_REQUESTS = uuid.UUID("5be1d6d5-0f0c-4c5e-9f5b-3b1d2f4c8a77")
"""Namespace of the request ids that jobs publish under."""
_POLL_S = 0.2
_STOP_GRACE_S = 3.0


class TrainingJobs:
    """Carries out training operations on an engine."""

    def __init__(self, settings: TrainerSettings, engine: Engine, remote: Remote) -> None:
        self._settings = settings
        self._engine = engine
        self._remote = remote

    def __call__(self, context: OperationContext) -> Mapping[str, Any]:
        """Plan, train, publish; each step is skipped where an earlier attempt did it."""
        request = TrainingRequest.from_json(context.operation.request)
        job = JobFolder(self._settings.jobs / context.operation.operation_id)
        job.path.mkdir(parents=True, exist_ok=True)
        plan = self._plan(request.spec, job, context)
        job.write(ABOUT, {"name": request.name, "job": context.operation.operation_id})
        try:
            outcome = self._train(job, plan, context)
            if outcome.error is not None:
                raise outcome.error
            published = self._publish(request, plan, job, context)
        except Unavailable:
            raise  # what was trained stays in the folder
        except PrecordiaError:
            _tidy(job)
            raise
        _tidy(job)
        return {**published, **outcome.facts}

    def _plan(self, spec: TrainingSpec, job: JobFolder, context: OperationContext) -> Plan:
        kept = job.read(PLAN)
        if kept is not None:
            return Plan.from_json(kept)
        snapshots, base = self._remote.ask_from_job(lambda precordia: pinned(precordia, spec), context)
        plan, told = make_plan(
            spec,
            snapshots,
            base=base,
            rate_hz=self._settings.rate_hz,
            duration_s=self._settings.duration_s,
            threads=self._settings.threads,
        )
        job.write(PLAN, plan.to_json())
        for sentence in told:
            context.emit("log", {"message": sentence})
        return plan

    def _train(self, job: JobFolder, plan: Plan, context: OperationContext) -> Outcome:
        """See a worker through to its outcome; one that dies is started again, while there is progress."""
        deaths, progress = 0, -1
        while (outcome := job.outcome()) is None:
            handle = self._engine.reattach(job.path) or self._engine.submit(job.path, job.begin_attempt())
            self._follow(handle, job, plan, context)
            if job.outcome() is None:
                offset = _offset(context)
                deaths = 0 if offset > progress else deaths + 1
                progress = offset
                if deaths > self._settings.relaunches:
                    raise InternalError("The training process died again and again; the job's log has the cause.")
                context.emit("log", {"message": "The training process died; going on from the last checkpoint."})
        self._relay(job, plan, context)
        return outcome

    def _follow(self, handle: Handle, job: JobFolder, plan: Plan, context: OperationContext) -> None:
        """Relay the journal until the worker has ended; end it where the job is to stop."""
        try:
            while self._engine.running(handle):
                self._relay(job, plan, context)
                context.wait(_POLL_S)
        except BaseException:
            if context.cancel_requested or context.stopping:
                self._engine.cancel(handle, _STOP_GRACE_S)
            raise
        self._relay(job, plan, context)

    def _relay(self, job: JobFolder, plan: Plan, context: OperationContext) -> None:
        for entry in read_journal(job.path, _offset(context)):
            context.emit(entry.kind, entry.payload, state={"offset": entry.end})
            if entry.kind == "epoch":
                before, count = int(entry.payload.get("member", 1)) - 1, int(entry.payload.get("members", 1))
                epochs = plan.recipe.max_epochs
                context.progress(before * epochs + int(entry.payload["epoch"]), count * epochs)

    def _publish(
        self, request: TrainingRequest, plan: Plan, job: JobFolder, context: OperationContext
    ) -> dict[str, Any]:
        """Publish the outputs, or recall that an earlier attempt did."""
        done = (context.state or {}).get("published")
        if done:
            return dict(done)
        operation_id = context.operation.operation_id
        manifest = Manifest.parse((job.outputs / MANIFEST).read_bytes())
        artifacts = {path.name: path for path in sorted(job.outputs.iterdir()) if path.name not in _NO_FILES}
        lineage = Lineage(
            origin="finetuned" if plan.base else "trained",
            base_model=str(plan.base.ref) if plan.base else "",
            base_digest=plan.base.digest if plan.base else "",
            dataset=plan.splits[TRAIN].dataset,
            snapshot_digest=plan.splits[TRAIN].digest,
            training_job=operation_id,
            details_json=json.dumps(_summary(job, plan), sort_keys=True),
        )
        request_id = str(uuid.uuid5(_REQUESTS, operation_id))

        async def publish(precordia: Connection) -> ModelVersion:
            version, _ = await precordia.registry.publish(
                request.name, manifest, artifacts, lineage, request.aliases, request_id, _operating_points(job)
            )
            return version

        published = self._remote.ask_from_job(publish, context, however_long=True)  # it may be days of work
        facts = {"model": published.name, "version": published.version, "digest": published.digest}
        context.emit("published", facts, state={"offset": _offset(context), "published": facts})
        return facts


async def pinned(precordia: Connection, spec: TrainingSpec) -> tuple[dict[str, Snapshot], PinnedBase | None]:
    """The snapshots and the base that a request means now."""
    return await pin(precordia, spec), await pin_base(precordia, spec)


async def pin(precordia: Connection, spec: TrainingSpec) -> dict[str, Snapshot]:
    """The snapshots that a request's splits belong to, by role: those named, else the newest now.

    A dataset that was never frozen is frozen whole, where no split is asked for.
    """
    asked = {TRAIN: spec.train, VALIDATION: spec.validation, TEST: spec.test}
    return {role: await _opened(precordia, ref) for role, ref in asked.items() if ref is not None}


async def _opened(precordia: Connection, ref: SplitRef) -> Snapshot:
    try:
        snapshot, _ = await precordia.ingest.open_snapshot(ref)
    except SnapshotNotFound:
        if ref.split or ref.snapshot_id:
            raise
        snapshot = await precordia.ingest.create_snapshot(ref.dataset)
    return snapshot


def _operating_points(job: JobFolder) -> str:
    """The run's operating points as JSON; empty where nothing was measured."""
    points = job.outputs / OPERATING_POINTS
    found = json.loads(points.read_text()) if points.exists() else {}
    return json.dumps(found) if found else ""


def _offset(context: OperationContext) -> int:
    return int((context.state or {}).get("offset", 0))


def _summary(job: JobFolder, plan: Plan) -> dict[str, Any]:
    """The short of the report, for the registry's lineage."""
    report = json.loads((job.outputs / REPORT).read_text())
    network = report["plan"]["network"]  # a search has chosen it by now
    short: dict[str, Any] = {"network": network, "recipe": plan.recipe.name, "seed": plan.seed}
    if plan.base is not None:
        short["method"] = plan.method.value
    for role in (VALIDATION, TEST):
        if role in report:
            short[role] = {name: value for name, value in report[role].items() if isinstance(value, int | float)}
    return short


def _tidy(job: JobFolder) -> None:
    """Drop what the registry has now, and what nothing goes on from."""
    shutil.rmtree(job.outputs, ignore_errors=True)
    for folder in (MEMBERS, SEARCH):
        shutil.rmtree(job.path / folder, ignore_errors=True)
    (job.path / CHECKPOINT).unlink(missing_ok=True)
    (job.path / CHECKPOINT).with_suffix(".tmp").unlink(missing_ok=True)
