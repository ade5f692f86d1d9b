import re
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from precordia.models.networks import XCEPTION_TIME
from precordia.models.published import load_published
from precordia.models.time_axis import mean_in_bins
from precordia.models.xception_time import XceptionTime, XceptionTimeConfig


def test_has_the_published_number_of_parameters() -> None:
    built = XceptionTime(XceptionTimeConfig(outputs=2))
    assert sum(parameter.numel() for parameter in built.parameters()) == pytest.approx(401_000, rel=0.02)


def test_the_head_is_linear_so_that_logits_of_either_sign_come_out() -> None:
    torch.manual_seed(0)
    built = XceptionTime(XceptionTimeConfig(outputs=3)).eval()
    x = torch.randn(8, 12, 200)
    with torch.no_grad():
        logits = built(x)
        built.head.weight.neg_()
        built.head.bias.neg_()
        torch.testing.assert_close(built(x), -logits)
    assert logits.abs().max() > 0


def published_tensors(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of an ONNX file, under the names that training knew them by."""
    import onnx
    from onnx import numpy_helper

    found = {}
    for tensor in onnx.load(path).graph.initializer:
        name, _, part = tensor.name.rpartition(".")
        place = re.sub(r"/(?:Conv|BatchNormalization)$", "", name)
        place = re.sub(r"^(block/shortcut/(\d)/shortcut/\2|head/head/(\d)/head/\3)/", r"\1/", place)
        place = re.sub(r"^block/shortcut/(\d)/shortcut/\1", r"block/shortcut/\1", place)
        place = re.sub(r"^head/head/(\d)/head/\1", r"head/\1", place).replace("maxconvpool/maxconvpool", "maxconvpool")
        if part in ("weight", "bias", "running_mean", "running_var"):
            found[f"{place.replace('/', '.')}.{part}"] = torch.from_numpy(numpy_helper.to_array(tensor).copy())
    return found


def test_published_weights_compute_what_the_published_model_computes(testdata: Path) -> None:
    path = testdata / "models" / "xc_super_pretrained.onnx"
    built = XceptionTime(XceptionTimeConfig(outputs=4)).eval()
    load_published(XCEPTION_TIME, built, published_tensors(path))
    ecgs = np.random.default_rng(0).normal(0, 200, (2, 12, 1000)).astype(np.float32)  # microvolt
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    wanted = session.run(None, {session.get_inputs()[0].name: ecgs})[0]

    with torch.no_grad():  # the published head: ReLU at each bin, then the mean
        bins = built_bins(built, torch.from_numpy(ecgs))
        given = torch.relu(bins @ built.head.weight.T + built.head.bias).mean(dim=1).numpy()
    np.testing.assert_allclose(given, wanted, rtol=1e-4, atol=1e-5)


def built_bins(built: XceptionTime, x_blt: torch.Tensor) -> torch.Tensor:
    """What the mean over bins is taken of, (B, bins, C)."""
    seen: list[torch.Tensor] = []
    hook = built.narrowing[-1].register_forward_hook(lambda _, __, output: seen.append(torch.relu(output)))
    built(x_blt)
    hook.remove()
    return seen[0].squeeze(2).transpose(1, 2)


def test_takes_lengths_that_are_no_multiple_of_the_bins() -> None:
    built = XceptionTime(XceptionTimeConfig(outputs=2)).eval()
    with torch.no_grad():
        assert built(torch.randn(2, 12, 513)).isfinite().all()
    assert mean_in_bins(torch.ones(1, 1, 1, 7), 50).flatten().tolist() == [1.0] * 50
