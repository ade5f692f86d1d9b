"""From a plan to the files of a model version: fetch, train, evaluate, export."""

from __future__ import annotations

import json
import os
import time
from importlib.metadata import version
from typing import Any

import numpy as np
import torch

from precordia.catalog import BASE_GRAPH, MODEL_ONNX, WEIGHTS
from precordia.manifest import Activation, Manifest, Task
from services.trainer.job.workplace import Workplace
from services.trainer.learning.place import Place
from services.trainer.networks.foundation import lay
from services.trainer.planning.plan import TRAIN, VALIDATION, Plan
from services.trainer.publication.documents import about_job, write_documents
from services.trainer.publication.export import check_parity, finished_network, to_onnx, weights_file
from services.trainer.publication.report import run_report, short
from services.trainer.records.materials import gather
from services.trainer.runs.members import train
from services.trainer.runs.search import choose

MANIFEST = "manifest.json"
_ACTIVATION = {
    Task.MULTICLASS: Activation.SOFTMAX,
    Task.MULTILABEL: Activation.SIGMOID,
    Task.REGRESSION: Activation.NONE,
}


async def produce(plan: Plan, place: Workplace) -> dict[str, Any]:
    """Carry out a plan. Returns the facts that the service publishes with the model.

    Raises:
        Stopped: the job was asked to stop.
        PrecordiaError: it cannot be carried out.
    """
    prepare_torch(plan)
    started = time.monotonic()
    searched: dict[str, Any] = {}
    about = about_job(place.folder)
    if plan.candidates:
        chosen = await choose(plan, place)
        plan, place, searched = chosen.plan, chosen.place, {"search": chosen.table}
    foundation = await lay(plan, place)
    materials = await gather(plan, place)
    trained = train(plan, place, materials, foundation.builder(materials, place.tell))
    if not Place.here().leads:
        return {}  # the process that leads evaluates and exports
    place.enter("exporting")
    place.tell("Evaluating and exporting.")
    finished = finished_network(trained.network, len(plan.labels), scale=materials.scale, offset=materials.offset)
    manifest = contract(plan, materials.task)
    model = to_onnx(finished, manifest)
    sample = materials.parts.get(VALIDATION) or materials.parts[TRAIN]
    beside = None if sample.beside is None else sample.beside[sample.record[:64]]
    parity = check_parity(finished, model, np.ascontiguousarray(sample.x[:64]), beside)
    report = run_report(plan, materials, trained, finished, manifest) | {
        "about": about,
        **searched,
        "parity": parity,
        "seconds": round(time.monotonic() - started, 1),
    }
    place.outputs.mkdir(exist_ok=True)
    (place.outputs / MODEL_ONNX).write_bytes(model)
    (place.outputs / WEIGHTS).write_bytes(weights_file(finished, foundation.architecture()))
    if foundation.graph:
        (place.outputs / BASE_GRAPH).write_bytes(foundation.graph)
    (place.outputs / MANIFEST).write_text(json.dumps(manifest.to_json(), indent=2, sort_keys=True) + "\n")
    write_documents(place.outputs, report)
    return {"report": short(report)}


def prepare_torch(plan: Plan) -> None:
    """The same plan on the same machine gives the same weights: fixed threads, deterministic kernels.

    On a GPU a few operations have no deterministic kernel; they run all the same, with a warning in the log.
    """
    torch.set_num_threads(plan.threads)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it CUDA's products have no fixed order
    torch.use_deterministic_algorithms(True, warn_only=torch.cuda.is_available())
    torch.backends.cudnn.benchmark = False


def contract(plan: Plan, task: Task) -> Manifest:
    """The model's manifest, with what made it."""
    origin: dict[str, Any] = {
        "made_by": f"precordia {version('precordia')}",
        "network": plan.network,
        "recipe": plan.recipe.to_json(),
        "seed": plan.seed,
        "threads": plan.threads,
        "data": {
            role: {"dataset": split.dataset, "split": split.split, "snapshot": split.digest}
            for role, split in plan.splits.items()
        },
    }
    if plan.base is not None:
        origin["method"] = plan.method.value
        origin["base"] = {"model": str(plan.base.ref), "digest": plan.base.digest}
    return plan.manifest(task, activation=_ACTIVATION[task], origin=origin)
