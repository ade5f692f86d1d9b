import copy
from functools import cache
from itertools import pairwise

import pytest
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm as BatchNorm

from precordia.leads import STANDARD_LEADS
from precordia.manifest import Activation, CoInput, CoInputs, InputSpec, Manifest, Output, Task
from services.trainer.learning.depth import depths
from services.trainer.networks.foreign import ForeignBase, foreign_base
from services.trainer.publication.export import check_parity, finished_network, to_onnx
from tests.services.trainer.networks.foreign import zoo
from tests.services.trainer.networks.foreign.learning import HEAD, step

CASES = [(name, zoo.WAYS[index % len(zoo.WAYS)]) for index, name in enumerate(zoo.NETWORKS)]
FURTHER = [(name, way) for name in zoo.NETWORKS for way in zoo.WAYS if (name, way) not in CASES]
EXPORTED_HERE = ("vit", "lstm_both_ways", "with_age")
LABELS = ("A", "B", "C", "D")


def ids(cases: list[tuple[str, zoo.Way]]) -> list[str]:
    return [f"{name}-{way}" for name, way in cases]


@cache
def base_of(name: str, way: zoo.Way) -> ForeignBase:
    return foreign_base(zoo.exported(zoo.built(name), zoo.signals(name, 2), way))


def own_weights(name: str, way: zoo.Way) -> int:
    """Numbers that learn in the network as its author built and exported it, without its last layer."""
    network = zoo.built(name)
    layers = [one for one in network.modules() if isinstance(one, nn.Linear | nn.modules.conv._ConvNd | BatchNorm)]
    heads = layers[-2:] if name == "published_head" else layers[-1:]
    count = sum(one.numel() for one in network.parameters())
    count -= sum(one.numel() for head in heads for one in head.parameters())
    if not way.keeps_norms:
        count -= sum(_folded(one, norm) for one, norm in pairwise(layers) if norm not in heads)
    if name == "gated":
        count -= 8  # weight_norm's lengths are part of the weights that they scale
    if name == "rnn" and way.dynamo:
        count += 6  # written out step by step; what the first step gets from no state stands alone
    return count


def _folded(convolution: nn.Module, norm: nn.Module) -> int:
    """How many numbers fewer there are when a norm becomes part of the convolution before it."""
    if not isinstance(norm, BatchNorm) or getattr(convolution, "out_channels", 0) != norm.num_features:
        return 0
    return norm.num_features * (1 if convolution.bias is None else 2)


def examine(name: str, way: zoo.Way) -> None:
    base = base_of(name, way)
    assert base.difference <= 1e-5
    assert (base.leads, base.samples) == (zoo.LEADS, zoo.SAMPLES)
    assert base.co_input_columns == (2 if name == "with_age" else 0)
    torch.manual_seed(5)
    network = base.build(4, 0.1)
    assert isinstance(network.head, nn.Linear)
    assert sum(values.numel() for values in base.backbone.parameters()) == own_weights(name, way)
    inputs = zoo.signals(name, 16)
    norms = {name for name, one in network.named_modules() if isinstance(one, BatchNorm)}
    changed, statistics = step(copy.deepcopy(network), inputs, head_only=False)
    assert changed == {name for name, _ in network.named_parameters()}
    assert {name.rpartition(".")[0] for name in statistics} == norms
    changed, statistics = step(copy.deepcopy(network), inputs, head_only=True)
    assert changed == {f"{HEAD}weight", f"{HEAD}bias"}
    assert not statistics


@pytest.mark.parametrize(("name", "way"), CASES, ids=ids(CASES))
def test_a_network_of_other_make_is_reproduced_and_every_weight_of_it_learns(name: str, way: zoo.Way) -> None:
    examine(name, way)


@pytest.mark.soak
@pytest.mark.parametrize(("name", "way"), FURTHER, ids=ids(FURTHER))
def test_it_does_so_however_it_was_exported(name: str, way: zoo.Way) -> None:
    examine(name, way)


def examine_export(name: str, way: zoo.Way) -> None:
    base = base_of(name, way)
    network = base.build(len(LABELS), 0.1)
    network.to(memory_format=torch.channels_last)
    step(network, zoo.signals(name, 16), head_only=False)
    manifest = Manifest(
        InputSpec("ecg", STANDARD_LEADS, 16.0, 10.0),
        Task.MULTILABEL,
        tuple(map(Output, LABELS[:2])),
        activation=Activation.SIGMOID,
        co_inputs=CoInputs("beside", (CoInput("age_years"), CoInput("sex_male"))) if name == "with_age" else None,
    )
    finished = finished_network(network, 2)
    model = to_onnx(finished, manifest)
    x, *beside = (part.numpy() for part in zoo.signals(name, 64))
    assert check_parity(finished, model, x, *beside) <= 1e-5
    again = foreign_base(model)
    assert again.features.size == base.features.size
    assert step(again.build(3, 0.0), zoo.signals(name, 8), head_only=True)[0] == {f"{HEAD}weight", f"{HEAD}bias"}


@pytest.mark.parametrize("name", EXPORTED_HERE)
def test_a_trained_one_is_exported_with_equal_answers_and_can_be_a_base_again(name: str) -> None:
    examine_export(name, dict(CASES)[name])


@pytest.mark.soak
@pytest.mark.parametrize("name", [name for name in zoo.NETWORKS if name not in EXPORTED_HERE])
def test_all_trained_ones_are_exported(name: str) -> None:
    examine_export(name, zoo.WAYS[0])


@pytest.mark.soak
def test_an_export_of_an_export_of_an_export_is_a_base() -> None:
    manifest = Manifest(InputSpec("ecg", STANDARD_LEADS, 16.0, 10.0), Task.MULTILABEL, (Output("A"), Output("B")))
    base = base_of("unet_linear", zoo.WAYS[0])
    for _ in range(3):
        base = foreign_base(to_onnx(finished_network(base.build(2, 0.0), 2), manifest))
    assert base.difference <= 1e-5


def test_the_same_file_and_seed_give_the_same_weights_and_a_checkpoint_restores_them() -> None:
    name, way = CASES[0]
    content = zoo.exported(zoo.built(name), zoo.signals(name, 2), way)
    states = []
    for disturbance in (1, 2):
        torch.manual_seed(disturbance)
        base = foreign_base(content)
        torch.manual_seed(11)
        states.append(base.build(3, 0.2).state_dict())
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(values, states[1][name]) for name, values in states[0].items())
    other = base_of(name, way).build(3, 0.2).eval()
    other.load_state_dict(states[0])
    torch.manual_seed(11)
    same = base_of(name, way).build(3, 0.2).eval()
    assert torch.equal(other(*zoo.signals(name, 4)), same(*zoo.signals(name, 4)))


def test_each_layer_of_a_base_lies_at_a_depth_of_its_own() -> None:
    name, way = CASES[0]
    found = depths(base_of(name, way).build(3, 0.0), zoo.signals(name, 2))
    convolutions = [depth for parameter, depth in found.items() if ".Conv." in parameter]
    assert convolutions == [6, 4, 2]
    assert found["head.weight"] == 0


def test_converting_draws_nothing_from_the_global_seed() -> None:
    name, way = CASES[0]
    content = zoo.exported(zoo.built(name), zoo.signals(name, 2), way)
    torch.manual_seed(3)
    wanted = torch.rand(3)
    torch.manual_seed(3)
    foreign_base(content)
    assert torch.equal(torch.rand(3), wanted)
