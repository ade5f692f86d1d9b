import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from safetensors.torch import load

from precordia.errors import InvalidModel
from precordia.leads import STANDARD_LEADS
from precordia.manifest import Activation, InputSpec, Manifest, Output, Task
from precordia.models.networks import network
from precordia.onnx_metadata import manifest_from_metadata
from services.trainer.publication.export import OPSET, check_parity, finished_network, to_onnx, weights_file

MANIFEST = Manifest(
    InputSpec("ecg", STANDARD_LEADS, 50.0, 4.0),
    Task.MULTILABEL,
    (Output("A"), Output("B")),
    activation=Activation.SIGMOID,
)
ECGS = np.random.default_rng(0).standard_normal((5, 12, 200)).astype(np.float32)


@pytest.fixture(scope="module")
def trained() -> torch.nn.Module:
    """Weights and BatchNorm statistics away from their first values."""
    torch.manual_seed(0)
    built = network("InceptionTime").build(12, 5, 0.2).train()
    for _ in range(3):
        built(torch.from_numpy(ECGS))
    return built.eval()


@pytest.fixture(scope="module")
def exported(trained: torch.nn.Module) -> tuple[torch.nn.Module, bytes]:
    finished = finished_network(trained, 2)
    return finished, to_onnx(finished, MANIFEST)


def test_onnx_runtime_and_torch_agree(exported: tuple[torch.nn.Module, bytes]) -> None:
    assert check_parity(*exported, ECGS) <= 1e-5


def test_the_file_has_a_dynamic_batch_an_allowed_opset_and_no_trace_of_the_machine(
    exported: tuple[torch.nn.Module, bytes],
) -> None:
    model = onnx.load_from_string(exported[1])
    assert [(one.domain, one.version) for one in model.opset_import] == [("", OPSET)]
    assert OPSET <= 20
    dimensions = model.graph.input[0].type.tensor_type.shape.dim
    assert dimensions[0].dim_param
    assert [one.dim_value for one in dimensions][1:] == [12, 200]
    assert b"site-packages" not in exported[1]
    assert b".py" not in exported[1]


def test_the_manifest_travels_in_the_file(exported: tuple[torch.nn.Module, bytes]) -> None:
    session = onnxruntime.InferenceSession(exported[1], providers=["CPUExecutionProvider"])
    metadata = session.get_modelmeta().custom_metadata_map
    found, _ = manifest_from_metadata(
        metadata, input_name="ecg", input_shape=(None, 12, 200), output_name="scores", output_count=2
    )
    assert found == MANIFEST
    assert metadata["target_keys"] == "['A', 'B']"


def test_a_file_is_the_same_when_made_again(exported: tuple[torch.nn.Module, bytes]) -> None:
    assert to_onnx(exported[0], MANIFEST) == exported[1]


def test_weights_are_those_of_the_finished_network(exported: tuple[torch.nn.Module, bytes]) -> None:
    kept = load(weights_file(exported[0], {"network": "InceptionTime"}))
    fresh = network("InceptionTime").build(12, 2, 0.0)
    fresh.load_state_dict(kept)
    with torch.no_grad():
        torch.testing.assert_close(fresh.eval()(torch.from_numpy(ECGS)), exported[0](torch.from_numpy(ECGS)))


def test_regression_outputs_come_back_in_the_unit_of_the_targets() -> None:
    torch.manual_seed(1)
    built = network("InceptionTime").build(12, 2, 0.0).eval()
    with torch.no_grad():
        before = built(torch.from_numpy(ECGS))
        after = finished_network(built, 2, scale=(10.0, 2.0), offset=(60.0, -1.0))(torch.from_numpy(ECGS))
    torch.testing.assert_close(after, before * torch.tensor([10.0, 2.0]) + torch.tensor([60.0, -1.0]))


def test_a_model_that_differs_from_its_network_is_refused(exported: tuple[torch.nn.Module, bytes]) -> None:
    torch.manual_seed(2)
    other = network("InceptionTime").build(12, 2, 0.0).eval()
    with pytest.raises(InvalidModel, match="differs"):
        check_parity(other, exported[1], ECGS)
