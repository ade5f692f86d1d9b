"""What a run is built on: the base's files, fetched and checked, and networks made from them.

A base that cannot be trained on is refused here, before any data are fetched.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn

from precordia.catalog import BASE_GRAPH, MODEL_ONNX, WEIGHTS
from precordia.client import connect
from precordia.errors import InvalidModel, StorageFull, Unavailable
from precordia.models.networks import network
from services.trainer.job.workplace import Stopped, Workplace
from services.trainer.planning.bases import PinnedBase
from services.trainer.planning.plan import Plan
from services.trainer.records.cache import FILLING, full_disk_is_said, touch
from services.trainer.records.materials import Materials

if TYPE_CHECKING:  # the converter is loaded where a base needs it
    from services.trainer.networks.foreign import ForeignBase

_FETCH_TRIES = 120
_PAUSE_S, _LOOK_EVERY_S = 5.0, 0.2
_HEAD = "head."
_FIRST = "members.0."
"""Before the names of an ensemble's first network."""


@dataclass(frozen=True, eq=False)
class Foundation:
    """Makes the networks of one plan.

    Attributes:
        tensors: the base's weights, by the names of the network that is built; None = fresh.
        foreign: the graph of a base of another make; None for networks of this package.
        graph: the file that the foreign graph came from; kept beside the weights, which need it.
    """

    plan: Plan
    tensors: Mapping[str, Tensor] | None = None
    foreign: ForeignBase | None = None
    graph: bytes = b""

    def builder(self, materials: Materials, tell: Callable[[str], None]) -> Callable[[str | None, int], nn.Module]:
        """From a network's name (None = what the plan starts from) and a number of outputs to a network to train."""
        rows = self._rows(materials)
        if self.plan.base is not None:
            tell(_said(self.plan, rows))

        def build(name: str | None, outputs: int) -> nn.Module:
            if name is not None:
                return network(name).build(len(self.plan.input.leads), outputs, self.plan.recipe.dropout)
            built = self._build(outputs)
            if self.tensors is not None:
                _give_backbone(built, self.tensors, self.plan)
                _give_head(built, self.tensors, rows, materials)
            return built

        return build

    def architecture(self) -> dict[str, str | int]:
        """What the weights file says of itself, so that it can be built again."""
        plan = self.plan
        facts: dict[str, str | int] = {
            "network": plan.network,
            "leads": len(plan.input.leads),
            "outputs": len(plan.labels),
        }
        if plan.recipe.count > 1:  # said only then: files of one network stay what they were
            facts["members"] = plan.recipe.count
        if self.graph:
            facts["graph"] = hashlib.sha256(self.graph).hexdigest()
        return facts

    def _build(self, outputs: int) -> nn.Module:
        if self.foreign is not None:
            built: nn.Module = self.foreign.build(outputs, self.plan.recipe.dropout)
            return built
        return network(self.plan.network).build(len(self.plan.input.leads), outputs, self.plan.recipe.dropout)

    def _rows(self, materials: Materials) -> dict[int, int]:
        """Rows of the new head that the base's head has: index there to index here, where both mean the same."""
        base = self.plan.base
        if base is None or self.tensors is None or f"{_HEAD}weight" not in self.tensors:
            return {}
        known = {name: row for row, name in enumerate(base.contract.output_names)}
        same = base.contract.task is materials.task and len(self.tensors[f"{_HEAD}weight"]) == len(known)
        return {row: known[label] for row, label in enumerate(self.plan.labels) if same and label in known}


async def lay(plan: Plan, place: Workplace) -> Foundation:
    """Fetch what the plan's base is made of, and check that it can be trained on.

    Raises:
        InvalidModel: it cannot; the message says why.
        Stopped: the job was asked to stop.
        Unavailable: the registry stayed away.
    """
    if plan.base is None:
        return Foundation(plan)
    folder = await _fetched(plan.base, place)
    files = {name: (folder / name).read_bytes() for name in plan.base.files}
    tensors = _tensors(files[WEIGHTS], place.tell) if WEIGHTS in files else None
    if plan.base.network:
        laid = Foundation(plan, tensors)
    else:
        graph = files.get(BASE_GRAPH) or files[MODEL_ONNX]
        place.tell(f"Converting the graph of {plan.base.ref}.")
        from services.trainer.networks.foreign import foreign_base

        laid = Foundation(plan, tensors, _checked(foreign_base(graph), plan), graph)
    _try(laid)
    return laid


def _try(laid: Foundation) -> None:
    """Build once, so that weights that do not fit are refused before there is anything to lose."""
    state = torch.get_rng_state()
    built = laid._build(max(1, len(laid.plan.labels)))
    if laid.tensors is not None:
        _give_backbone(built, laid.tensors, laid.plan)
    torch.set_rng_state(state)


def _checked(base: ForeignBase, plan: Plan) -> ForeignBase:
    leads, samples = len(plan.input.leads), plan.input.samples
    columns = len(plan.co_inputs.columns) if plan.co_inputs else 0
    if base.leads != leads or base.samples not in (None, samples) or base.co_input_columns != columns:
        takes = f"{base.leads} leads, {base.samples or 'any number of'} samples and {base.co_input_columns} co-inputs"
        raise InvalidModel(
            f"The base's graph takes {takes}; its contract says {leads}, {samples} and {columns}. Import the model "
            "again with a manifest that fits it."
        )
    return base


async def _fetched(base: PinnedBase, place: Workplace) -> Path:
    """Folder of the base's files in the cache; a registry that is away for a while is waited for."""
    key = hashlib.sha256("\n".join(sorted(base.files.values())).encode()).hexdigest()[:32]
    folder = place.cache.folder / f"base-{key}"
    for patience in range(_FETCH_TRIES, -1, -1):
        if folder.exists():
            break
        try:
            place.tell(f"Fetching the base {base.ref}.")
            await _fetch(base, folder)
        except StorageFull:
            raise  # waiting makes no room
        except Unavailable as error:
            if not patience:
                raise
            place.tell(f"Waiting: {error.message}")
            await _pause(place)
    touch(folder)
    return folder


async def _fetch(base: PinnedBase, folder: Path) -> None:
    with full_disk_is_said():
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=FILLING, dir=folder.parent))
        try:
            async with connect() as precordia:
                for name, sha256 in base.files.items():
                    path = await precordia.registry.download(base.ref, name, temporary)
                    _check_digest(path, sha256, base)
            _into_place(temporary, folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _check_digest(path: Path, sha256: str, base: PinnedBase) -> None:
    with path.open("rb") as opened:
        if hashlib.file_digest(opened, "sha256").hexdigest() != sha256:
            raise InvalidModel(f"The files of {base.ref} are not those that the job began with; start it again.")


def _into_place(temporary: Path, folder: Path) -> None:
    try:
        os.rename(temporary, folder)
    except OSError:
        if not folder.exists():  # another worker fetched the same base meanwhile
            raise


async def _pause(place: Workplace) -> None:
    for _ in range(round(_PAUSE_S / _LOOK_EVERY_S)):
        if place.should_stop():
            raise Stopped
        await asyncio.sleep(_LOOK_EVERY_S)


def _tensors(weights: bytes, tell: Callable[[str], None]) -> dict[str, Tensor]:
    """The tensors of a weights file; of several networks, those of the first."""
    try:
        tensors: dict[str, Tensor] = load(weights)
    except (SafetensorError, ValueError, KeyError, TypeError):
        raise InvalidModel("The base's weights file is damaged; publish or import the model again.") from None
    first = {key.removeprefix(_FIRST): value for key, value in tensors.items() if key.startswith(_FIRST)}
    if first:
        tell("The base is the mean of several networks; training starts from the first of them.")
    return first or tensors


def _give_backbone(built: nn.Module, tensors: Mapping[str, Tensor], plan: Plan) -> None:
    """Everything but the head, from the base.

    Raises:
        InvalidModel: the weights are not those of what was built.
    """
    wanted = built.state_dict()
    given = {key: value for key, value in tensors.items() if not key.startswith(_HEAD)}
    own = {key: value for key, value in wanted.items() if key.startswith(_HEAD)}
    fits = given.keys() | own.keys() == wanted.keys()
    if not fits or any(value.shape != wanted[key].shape for key, value in given.items()):
        what = plan.network or "the graph that they were trained on"
        raise InvalidModel(
            f"The weights of {plan.starts_from} are not those of {what} as this version builds it; fine-tune its ONNX "
            "file instead: export it and import it under another name."
        )
    built.load_state_dict(given | own)


@torch.no_grad()
def _give_head(built: nn.Module, tensors: Mapping[str, Tensor], rows: Mapping[int, int], materials: Materials) -> None:
    """Rows that the base knows. Its numbers are in the targets' units, those that learn are standardised."""
    head = built.get_submodule("head")
    assert isinstance(head, nn.Linear)
    weight, bias = tensors[f"{_HEAD}weight"], tensors[f"{_HEAD}bias"]
    for here, there in rows.items():
        scale = materials.scale[here] if materials.scale else 1.0
        offset = materials.offset[here] if materials.offset else 0.0
        head.weight[here] = weight[there] / scale
        head.bias[here] = (bias[there] - offset) / scale


def _said(plan: Plan, rows: Mapping[int, int]) -> str:
    """One sentence on what of the head is new."""
    kept = [plan.labels[row] for row in rows]
    fresh = [label for label in plan.labels if label not in kept]
    learns = "the head learns" if plan.trainable else "all layers learn"
    if not kept:
        return f"Starting from {plan.starts_from}: {learns}, with a fresh head for {_named(fresh)}."
    more = f", fresh for {_named(fresh)}" if fresh else ""
    return f"Starting from {plan.starts_from}: {learns}; the head is the base's for {_named(kept)}{more}."


def _named(labels: list[str]) -> str:
    return ", ".join(labels[:8]) + (f" and {len(labels) - 8} more" if len(labels) > 8 else "")
