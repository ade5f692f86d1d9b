"""The two real XceptionTime files of the older platform, to other classes."""

from functools import cache
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper
from torch import nn

from precordia.leads import STANDARD_LEADS
from precordia.manifest import Activation, InputSpec, Manifest, Output, Task
from precordia.record import Unit
from services.trainer.networks.foreign import ForeignBase, foreign_base
from services.trainer.publication.export import check_parity, finished_network, to_onnx
from tests.services.trainer.networks.foreign.epoch import COUNT, epoch
from tests.services.trainer.networks.foreign.learning import HEAD, step

FILES = ("xc_super_pretrained.onnx", "XceptionTime_untrained.onnx")
STORED_STATISTICS = 2


@cache
def base_of(path: Path) -> ForeignBase:
    return foreign_base(path.read_bytes())


def learned_numbers(path: Path) -> int:
    """What the file holds for its layers, without stored statistics, the last convolution and its norm."""
    graph = onnx.load(path).graph
    sizes = {tensor.name: numpy_helper.to_array(tensor).size for tensor in graph.initializer}
    layers = [node for node in graph.node if node.op_type in ("Conv", "BatchNormalization")]
    return sum(sizes[name] for node in layers[:-2] for name in node.input[1:3])


def ecgs(count: int) -> np.ndarray:
    return np.random.default_rng(1).standard_normal((count, 12, 1000), dtype=np.float32) * np.float32(300)


@pytest.mark.parametrize("file", FILES)
def test_it_is_a_base_with_its_own_head_taken_off(testdata: Path, file: str) -> None:
    path = testdata / "models" / file
    base = base_of(path)
    assert base.difference <= 1e-5
    assert (base.leads, base.samples, base.input_name, base.co_input_columns) == (12, 1000, "arg0", 0)
    assert base.features.size == 128
    assert sum(values.numel() for values in base.backbone.parameters()) == learned_numbers(path)


def statistics_of(network: nn.Module) -> set[str]:
    """What BatchNorm counts for itself."""
    norms = {name for name, one in network.named_modules() if isinstance(one, nn.modules.batchnorm._BatchNorm)}
    return {name for name, _ in network.named_buffers() if name.rpartition(".")[0] in norms}


@pytest.mark.parametrize("file", FILES)
def test_an_epoch_of_the_trainers_loop_moves_the_head_alone_or_every_tensor(
    testdata: Path, tmp_path: Path, file: str
) -> None:
    signals = (torch.from_numpy(ecgs(COUNT)),)
    base = base_of(testdata / "models" / file)
    torch.manual_seed(0)
    network = base.build(3, 0.1)
    parameters, statistics = {name for name, _ in network.named_parameters()}, statistics_of(network)
    assert len(statistics) >= 12
    assert epoch(network, signals, tmp_path / "head", trainable=(HEAD,)) == {f"{HEAD}weight", f"{HEAD}bias"}
    moved = epoch(network, signals, tmp_path / "all", trainable=())
    assert moved & parameters == parameters
    assert moved - parameters == statistics


@pytest.mark.parametrize("outputs", [3, 7])
@pytest.mark.parametrize("head_only", [True, False], ids=["head", "all"])
@pytest.mark.parametrize("file", FILES)
def test_it_learns_other_classes_and_is_exported(testdata: Path, file: str, head_only: bool, outputs: int) -> None:
    torch.manual_seed(0)
    network = base_of(testdata / "models" / file).build(outputs, 0.1)
    changed, statistics = step(network, (torch.from_numpy(ecgs(4)),), head_only=head_only)
    everything = {name for name, _ in network.named_parameters()}
    assert changed == ({f"{HEAD}weight", f"{HEAD}bias"} if head_only else everything)
    assert bool(statistics) is not head_only
    if outputs == 7:  # once a file and method: the export takes seconds
        return
    manifest = Manifest(
        InputSpec("ecg", STANDARD_LEADS, 100.0, 10.0, Unit.MICROVOLT),
        Task.MULTICLASS,
        tuple(Output(name) for name in ("A", "B", "C")),
        activation=Activation.SOFTMAX,
    )
    finished = finished_network(network, outputs)
    model = to_onnx(finished, manifest)
    assert check_parity(finished, model, ecgs(8)) <= 1e-5
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    assert session.run(None, {"ecg": ecgs(5)})[0].shape == (5, outputs)
