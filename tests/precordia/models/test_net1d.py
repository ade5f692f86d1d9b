from pathlib import Path

import numpy as np
import pytest
import scipy.signal
import torch
from torch.nn import functional

from precordia.leads import STANDARD_LEADS
from precordia.models import ecgfounder
from precordia.models.net1d import Net1D, Net1DConfig
from precordia.models.networks import NET1D
from precordia.models.published import load_published
from precordia.record import Signal
from precordia.signal import condition
from tests.precordia.models import published_layouts as layouts

FILES = {12: ("ECGFounder, 12 leads", 30_819_014), 1: ("ECGFounder, 1 lead", 30_807_750)}


@pytest.mark.parametrize("leads", FILES)
def test_has_the_published_number_of_parameters(leads: int) -> None:
    with torch.device("meta"):
        built = Net1D(Net1DConfig(leads=leads))
    assert sum(parameter.numel() for parameter in built.parameters()) == FILES[leads][1]


@pytest.mark.parametrize("leads", FILES)
def test_the_published_list_of_tensors_fits(leads: int) -> None:
    layout, known = layouts.ecgfounder(leads), layouts.KNOWN[FILES[leads][0]]
    assert (len(layout), layouts.digest(layout)) == (known["tensors"], known["sha256"])
    built, state = Net1D(Net1DConfig(leads=leads)), layouts.tensors(layout)
    load_published(NET1D, built, state)
    assert sum(value.numel() for value in built.state_dict().values()) == known["numbers"]
    loaded = {id(value) for value in state.values()}
    assert len(loaded) == known["tensors"]
    assert torch.equal(built.head.weight, state["dense.weight"])
    assert torch.equal(built.stem.weight.squeeze(2), state["first_conv.conv.weight"])


def test_the_files_lists_are_those_that_were_published(testdata: Path) -> None:
    for leads, name in ((12, "12lead"), (1, "1lead")):
        lines = (testdata / "models" / f"ecgfounder_{name}_state_dict_keys.csv").read_text().split("\n")[1:]
        written = [f"{key},{'x'.join(map(str, shape))}" for key, shape in layouts.ecgfounder(leads).items()]
        assert written == [line for line in lines if line]
    labels = (testdata / "models" / "ecgfounder_150_labels.txt").read_text().split("\n")
    assert list(ecgfounder.LABELS) == [label for label in labels if label]


def test_computes_what_the_published_settings_say() -> None:
    """Against a twin written over the file's own names, for an odd length, where padding shows."""
    state = layouts.tensors(layouts.ecgfounder(12))
    built = Net1D(Net1DConfig()).eval()
    load_published(NET1D, built, state)
    x = torch.randn(1, 12, 1301, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(built(x), obvious(state, x), atol=1e-5, rtol=1e-4)


def obvious(state: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    def convolved(x: torch.Tensor, name: str, stride: int = 1, groups: int = 1) -> torch.Tensor:
        weight, length = state[f"{name}.conv.weight"], x.shape[-1]
        missing = max(0, ((length + stride - 1) // stride - 1) * stride + weight.shape[-1] - length)
        x = functional.pad(x, (missing // 2, missing - missing // 2))
        return functional.conv1d(x, weight, state[f"{name}.conv.bias"], stride=stride, groups=groups)

    def connected(x: torch.Tensor, name: str) -> torch.Tensor:
        return functional.linear(x, state[f"{name}.weight"], state[f"{name}.bias"])

    swish = functional.silu
    x = swish(convolved(x, "first_conv", stride=2))
    for stage, blocks in enumerate((2, 2, 2, 3, 3, 4, 4)):
        for block in range(blocks):
            at, stride = f"stage_list.{stage}.block_list.{block}", 1 if block else 2
            y = convolved(swish(x) if stage or block else x, f"{at}.conv1")
            y = convolved(swish(y), f"{at}.conv2", stride, groups=y.shape[1] // 16)
            y = convolved(swish(y), f"{at}.conv3")
            excitation = torch.sigmoid(connected(swish(connected(y.mean(-1), f"{at}.se_fc1")), f"{at}.se_fc2"))
            y = y * excitation[..., None]
            if stride == 2:
                x = functional.max_pool1d(functional.pad(x, (0, 1)), 2)
            front = (y.shape[1] - x.shape[1]) // 2
            x = y + functional.pad(x, (0, 0, front, y.shape[1] - x.shape[1] - front))
    return connected(x.mean(-1), "dense")


def test_the_published_labels_and_conditioning_make_a_contract() -> None:
    known = layouts.KNOWN["ECGFounder, labels"]
    assert len(set(ecgfounder.LABELS)) == known["labels"] == 150
    whole, single = ecgfounder.manifest(12), ecgfounder.manifest(1)
    assert whole.input.leads == STANDARD_LEADS
    assert single.input.leads == ("I",)
    assert (whole.input.samples, whole.output_names) == (5000, ecgfounder.LABELS)
    assert [(step.name, dict(step.parameters)) for step in whole.steps] == [
        ("resample", {"rate_hz": 500.0}),
        ("notch", {"frequency_hz": 50.0, "quality": 30.0}),
        ("band_pass", {"low_hz": 0.67, "high_hz": 40.0, "order": 4.0}),
        ("median_baseline", {"window_s": 0.4, "edges": "zero"}),
        ("crop_or_pad", {"duration_s": 10.0, "align": "start"}),
        ("z_score", {"by": "record"}),
    ]


def test_the_contract_conditions_as_published() -> None:
    """Against the same steps in scipy's words."""
    generator, time_s = np.random.default_rng(0), np.arange(5000) / 500
    shapes = [np.sin(2 * np.pi * 1.2 * time_s + lead) ** 15 + 0.3 * np.sin(0.4 * np.pi * time_s) for lead in range(12)]
    x = (np.stack(shapes) + 0.05 * np.sin(100 * np.pi * time_s)).astype(np.float32)
    x += generator.normal(0, 0.02, x.shape).astype(np.float32)
    given = condition(Signal(x, STANDARD_LEADS, 500.0), ecgfounder.manifest(12)).x[0]

    wanted = scipy.signal.filtfilt(*scipy.signal.iirnotch(50, 30, fs=500), x.astype(float))
    wanted = scipy.signal.filtfilt(*scipy.signal.butter(4, [0.67, 40], "bandpass", fs=500), wanted)
    wanted -= np.stack([scipy.signal.medfilt(lead, 201) for lead in wanted])
    np.testing.assert_allclose(given, (wanted - wanted.mean()) / wanted.std(), atol=2e-5)
