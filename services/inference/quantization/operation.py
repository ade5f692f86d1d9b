"""Quantization: an operation that makes an int8 version of a model and publishes it, or says what it would lose.

It runs where models run, because how much faster integers are depends on the processor that serves. The
version, the snapshots and the files are fixed when it begins; the work itself is done by a process of its own
(`worker`). After a crash the next attempt goes on with what is in the operation's folder.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from precordia.catalog import MODEL_ONNX, Lineage, ModelRef, ModelVersion
from precordia.dataset import ShardTicket, Snapshot, SplitRef
from precordia.errors import AccuracyLost, FailedPrecondition, InvalidArgument
from precordia.manifest import Manifest, Task
from precordia.operations import Interrupted, OperationContext
from precordia.quantization import QuantizationWish
from services.inference.bridge import LoopBridge
from services.inference.datasets.label_spaces import columns_of, group_labels, label_group, unasked_labels
from services.inference.datasets.split_scorer import Snapshots
from services.inference.models.serving import OperatingPoints
from services.inference.quantization.order import CHOSEN, MODEL, Order, write_whole
from services.inference.quantization.process import quantize_apart

_CALIBRATION_RECORDS = 2_000
_CHECK_RECORDS = 20_000
"""ECGs whose shards are fetched; of more, shards are taken evenly."""

Document = dict[str, Any]


class DerivativeRegistry(Protocol):
    """What is needed of the registry; `precordia.client` has it."""

    async def get(self, ref: ModelRef) -> ModelVersion:
        """The version that a reference means now."""

    async def fetch(self, ref: ModelRef, artifacts: Sequence[str] = ()) -> tuple[ModelVersion, Mapping[str, bytes]]:
        """A version and files of it."""

    async def publish(
        self,
        name: str,
        manifest: Manifest,
        artifacts: Mapping[str, bytes],
        lineage: Lineage,
        aliases: Sequence[str] = (),
        request_id: str = "",
    ) -> tuple[ModelVersion, bool]:
        """A new version; False where the same content was there before."""

    async def set_operating_points(self, name: str, version: int, operating_points_json: str) -> ModelVersion:
        """Thresholds and calibration of a version."""

    async def set_alias(self, name: str, alias: str, version: int) -> ModelVersion:
        """Point an alias at a version."""


class Quantization:
    """The operation `quantize`.

    Args:
        snapshots: ingest, where the ECGs come from.
        registry: where models come from and go to.
        bridge: to the event loop.
        folder: for the files of operations that run.
    """

    KIND = "quantize"

    def __init__(self, snapshots: Snapshots, registry: DerivativeRegistry, bridge: LoopBridge, folder: Path) -> None:
        self._snapshots = snapshots
        self._registry = registry
        self._bridge = bridge
        self._folder = folder

    def __call__(self, context: OperationContext) -> Mapping[str, Any]:
        """Runs in a worker thread of the operations."""
        wish = QuantizationWish.from_json(context.operation.request)
        folder = self._folder / context.operation.operation_id
        try:
            result = self._made(context, wish, folder)
        except Interrupted:  # another attempt goes on with the files
            raise
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        shutil.rmtree(folder, ignore_errors=True)
        return result

    def _made(self, context: OperationContext, wish: QuantizationWish, folder: Path) -> Document:
        folder.mkdir(parents=True, exist_ok=True)
        state = self._settled(context, wish)
        base = self._bridge.call(context, lambda: self._registry.get(ModelRef(**state["model"])))
        self._fetch(context, base, state, folder)
        figures = quantize_apart(context, folder)
        facts = _facts(base, state, figures, wish)
        _refuse_loss(facts["accuracy"])
        made = self._published(context, base, facts, wish, (folder / CHOSEN).read_bytes())
        return {"model": made.name, "version": made.version, "alias": wish.alias, "digest": made.digest, **facts}

    def _settled(self, context: OperationContext, wish: QuantizationWish) -> Document:
        """The version and the snapshots, as an earlier attempt or this one fixed them."""
        if context.state is None:
            base = self._bridge.call(context, lambda: self._registry.get(wish.model))
            calibration, calibrating, _ = self._opened(context, wish.calibration)
            check, snapshot, _ = self._opened(context, wish.check or wish.calibration)
            if wish.check is not None and check == calibration:
                raise InvalidArgument("Both splits are the same ECGs; check the model on others.", field="check")
            group = label_group(base, snapshot, wish.label_group)
            context.save_state(
                {
                    "model": vars(base.ref),
                    "calibration": vars(calibration),
                    "check": None if wish.check is None else vars(check),
                    "calibration_digest": calibrating.digest,
                    "check_digest": snapshot.digest,
                    "label_group": group,
                    "asked": _asked(base.manifest, snapshot, group),
                }
            )
        assert context.state is not None, "it was saved just now"
        return context.state

    def _opened(self, context: OperationContext, split: SplitRef) -> tuple[SplitRef, Snapshot, tuple[ShardTicket, ...]]:
        snapshot, tickets = self._bridge.call(context, lambda: self._snapshots.open_snapshot(split))
        return SplitRef(split.dataset, split.split, snapshot.snapshot_id), snapshot, tickets

    def _fetch(self, context: OperationContext, base: ModelVersion, state: Document, folder: Path) -> None:
        """Puts what the process needs into the folder; what an earlier attempt fetched is kept."""
        if not (folder / MODEL).exists():
            _, files = self._bridge.call(context, lambda: self._registry.fetch(base.ref, (MODEL_ONNX,)))
            write_whole(folder / MODEL, files[MODEL_ONNX])
        points = OperatingPoints.of(base)
        most = _CALIBRATION_RECORDS if state["check"] else _CHECK_RECORDS
        Order(
            manifest_json=base.manifest.canonical(),
            temperature=points.temperature,
            thresholds=points.thresholds,
            label_group=state["label_group"],
            asked=state["asked"],
            calibration=self._shards(context, folder, "calibration", state["calibration"], most),
            check=self._shards(context, folder, "check", state["check"], _CHECK_RECORDS) if state["check"] else [],
        ).write(folder)

    def _shards(
        self, context: OperationContext, folder: Path, name: str, split: Mapping[str, str], most: int
    ) -> list[str]:
        _, _, tickets = self._opened(context, SplitRef(**split))
        names = []
        for number, ticket in enumerate(_evenly(tickets, most)):
            names.append(f"{name}-{number}.shard")
            path = folder / names[-1]
            if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != ticket.sha256:
                data = self._bridge.call(context, partial(self._snapshots.read_shard, ticket))
                write_whole(path, data)
            context.check()
        return names

    def _published(
        self, context: OperationContext, base: ModelVersion, facts: Document, wish: QuantizationWish, graph: bytes
    ) -> ModelVersion:
        """The int8 version with its base's operating points, then its alias; each step may be done twice."""
        lineage = Lineage(
            origin="quantized",
            base_model=str(base.ref),
            base_digest=base.digest,
            dataset=wish.calibration.dataset,
            snapshot_digest=facts["calibration"]["snapshot_digest"],
            details_json=json.dumps({**facts, "operation": context.operation.operation_id}),
        )
        files = {MODEL_ONNX: graph}
        made, _ = self._bridge.call(context, lambda: self._registry.publish(base.name, base.manifest, files, lineage))
        if base.operating_points_json and made.operating_points_json != base.operating_points_json:
            points = base.operating_points_json
            self._bridge.call(context, lambda: self._registry.set_operating_points(made.name, made.version, points))
        return self._bridge.call(context, lambda: self._registry.set_alias(made.name, wish.alias, made.version))


def _asked(manifest: Manifest, snapshot: Snapshot, group: str) -> list[str]:
    """Outputs that the dataset's labels answer to; of values, all."""
    names = manifest.output_names
    if manifest.task is Task.REGRESSION:
        return list(names)
    unasked = unasked_labels(columns_of(names), group_labels(snapshot, group))
    return [name for name in names if name not in unasked]


def _evenly(tickets: Sequence[ShardTicket], most: int) -> list[ShardTicket]:
    """Shards of so many records about: every one, or every so manieth."""
    records = sum(ticket.records for ticket in tickets)
    step = max(1, records // most)
    return list(tickets[::step])


def _facts(base: ModelVersion, state: Document, figures: Document, wish: QuantizationWish) -> Document:
    """What the operation gives, and the lineage keeps."""
    check = state["check"] or state["calibration"]
    return {
        "base": str(base.ref),
        "base_digest": base.digest,
        "precision": "int8",
        "ranges": figures["ranges"],
        "in_float": figures["in_float"],
        "size_bytes": figures["size_bytes"],
        "base_size_bytes": figures["base_size_bytes"],
        "calibration": {
            **state["calibration"],
            "snapshot_digest": state["calibration_digest"],
            "n": figures["calibrated_on"],
            "chosen_on": figures["chosen_on"],
        },
        "check": {**check, "snapshot_digest": state["check_digest"], "label_group": state["label_group"]},
        "accuracy": {**figures["accuracy"], "allowed": wish.max_loss},
        "speed": figures["speed"],
    }


def _refuse_loss(accuracy: Document) -> None:
    loss, allowed, name = accuracy["loss"], accuracy["allowed"], accuracy["figure"]
    if loss is None:
        raise FailedPrecondition(
            f"{name} cannot be measured on the {accuracy['n']} ECGs of the check: no output has labels of both kinds. "
            "Name more labelled ECGs to check on."
        )
    if loss > allowed:
        raise AccuracyLost(
            f"In int8 the model would lose {loss:.4f} of {name} ({accuracy['base']:.4f} to {accuracy['int8']:.4f} on "
            f"{accuracy['n']} ECGs); {allowed:g} is allowed. Calibrate with more ECGs, or allow more.",
            base=accuracy["base"],
            int8=accuracy["int8"],
            loss=loss,
            allowed=allowed,
        )
