"""Models to start from, made without training: a native one with its weights, and one of another make."""

from __future__ import annotations

import functools

import torch

from precordia.catalog import MODEL_ONNX, WEIGHTS, Lineage, ModelVersion
from precordia.client import Connection
from precordia.manifest import Activation, InputSpec, Manifest, Output, Task
from precordia.models.networks import INCEPTION_TIME
from precordia.steps import Step
from services.trainer.publication.export import finished_network, to_onnx, weights_file
from tests.services.trainer.synthetic import DURATION_S, RATE_HZ

LEADS = ("I", "II", "V1")
CONTRACT = Manifest(
    InputSpec("ecg", LEADS, RATE_HZ, DURATION_S),
    Task.MULTILABEL,
    (Output("WIDE", code="27885002"),),
    (Step("resample", 1, {"rate_hz": RATE_HZ}), Step("crop_or_pad", 1, {"duration_s": DURATION_S}), Step("z_score")),
    activation=Activation.SIGMOID,
    label_group="shape",
)


@functools.cache
def native_files() -> dict[str, bytes]:
    """InceptionTime for three leads and one output."""
    torch.manual_seed(1)
    network = finished_network(INCEPTION_TIME.build(len(LEADS), 1, 0.0), 1)
    facts = {"network": "InceptionTime", "leads": len(LEADS), "outputs": 1}
    return {MODEL_ONNX: to_onnx(network, CONTRACT), WEIGHTS: weights_file(network, facts)}


async def publish_native(precordia: Connection, name: str = "base") -> ModelVersion:
    """The native one, in the registry."""
    version, _ = await precordia.registry.publish(name, CONTRACT, native_files(), Lineage("trained"))
    return version
