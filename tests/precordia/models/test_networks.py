import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from precordia.leads import STANDARD_LEADS
from precordia.manifest import InputSpec, Manifest, Output, Task
from precordia.models.networks import AGE_AND_SEX, OWN, Network
from precordia.models.time_axis import SqueezeExcitation
from precordia.record import Sex

NAMES = [own.info.name for own in OWN]
LARGE = ("Net1D", "ECG-FM")


def on_paper(kind: Network, leads: int = 12, outputs: int = 5) -> nn.Module:
    """The network without memory for its numbers."""
    with torch.device("meta"):
        return kind.build(leads, outputs, 0.0).eval()


def inputs(kind: Network, batch: int, leads: int, samples: int) -> list[torch.Tensor]:
    beside = [torch.rand(batch, len(kind.co_inputs.columns))] if kind.co_inputs else []
    return [torch.randn(batch, leads, samples), *beside]


@pytest.mark.parametrize("kind", OWN, ids=NAMES)
def test_the_table_states_the_true_number_of_parameters_and_operations(kind: Network) -> None:
    built = on_paper(kind)
    samples = round(kind.info.sample_rate_hz * kind.info.duration_s)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        built(*(tensor.to("meta") for tensor in inputs(kind, 1, 12, samples)))
    assert sum(parameter.numel() for parameter in built.parameters()) == kind.info.parameters
    assert counter.get_total_flops() // 2 == kind.info.flops


PUBLISHED = {
    "InceptionTime": (5, 457e3),
    "XceptionTime": (2, 401e3),
    "DSAIL-SNU": (26, 2e6),
    "Net1D": (150, 30_819_014),
    "ECG-FM": (0, 90_373_248),
}
"""Outputs (0 = the encoder alone) and parameters, as their authors state them; xresnet1d101's state none."""
COARSE = "DSAIL-SNU"
"""The one exception: its count is printed as "2 M", with one digit."""


def parameters_as_published(name: str) -> int:
    outputs, _ = PUBLISHED[name]
    built = on_paper(OWN[NAMES.index(name)], outputs=max(1, outputs))
    head = 0 if outputs else sum(value.numel() for key, value in built.named_parameters() if key.startswith("head."))
    return sum(parameter.numel() for parameter in built.parameters()) - head


def test_every_network_is_held_against_what_its_authors_state() -> None:
    assert {*PUBLISHED, "xresnet1d101"} == set(NAMES)


@pytest.mark.parametrize("name", [name for name in PUBLISHED if name != COARSE])
def test_has_the_published_number_of_parameters(name: str) -> None:
    assert parameters_as_published(name) == pytest.approx(PUBLISHED[name][1], rel=0.02)


def test_the_one_count_that_differs_rounds_to_the_digit_that_is_printed() -> None:
    """The operations, printed with two digits, agree within 1 %, so it is the rounding that differs."""
    count, stated = parameters_as_published(COARSE), PUBLISHED[COARSE][1]
    assert count == 1_814_556
    assert count / stated - 1 == pytest.approx(-0.093, abs=0.001)
    assert round(count, -6) == stated
    assert OWN[NAMES.index(COARSE)].info.flops == pytest.approx(89e6, rel=0.01)


@pytest.mark.parametrize(
    ("name", "published", "within"),
    [("InceptionTime", 460e6, 0.02), ("DSAIL-SNU", 89e6, 0.02), ("XceptionTime", 256e6, 0.06), ("ECG-FM", 14e9, 0.05)],
)
def test_needs_about_the_published_number_of_operations(name: str, published: float, within: float) -> None:
    assert OWN[NAMES.index(name)].info.flops == pytest.approx(published, rel=within)


@pytest.mark.parametrize("kind", [own for own in OWN if own.info.name not in LARGE], ids=lambda kind: kind.info.name)
@pytest.mark.parametrize("leads", [12, 1])
def test_learns_from_any_leads_and_every_parameter_takes_part(kind: Network, leads: int) -> None:
    torch.manual_seed(0)
    built = kind.build(leads, 2, 0.0)
    for module in built.modules():  # zeros that blocks start from, and dead ReLUs, would keep gradients from passing
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            nn.init.uniform_(module.weight, 0.5, 1.5)
        elif isinstance(module, SqueezeExcitation):
            module.activation = nn.SiLU()
    built(*inputs(kind, 4, leads, 256)).square().sum().backward()
    assert [name for name, value in built.named_parameters() if value.grad is None or not value.grad.any()] == []


@pytest.mark.parametrize("kind", OWN, ids=NAMES)
@pytest.mark.parametrize("leads", [3, 1])
def test_the_shapes_are_right_for_a_part_of_the_leads(kind: Network, leads: int) -> None:
    built = on_paper(kind, leads, 7)
    assert built(*(tensor.to("meta") for tensor in inputs(kind, 2, leads, 777))).shape == (2, 7)


@pytest.mark.parametrize("kind", [own for own in OWN if own.info.name not in LARGE], ids=lambda kind: kind.info.name)
def test_one_ecg_does_not_change_another(kind: Network) -> None:
    torch.manual_seed(0)
    built, batch = kind.build(12, 3, 0.2).eval(), inputs(kind, 3, 12, 300)
    with torch.no_grad():
        together, alone = built(*batch), built(*(tensor[1:2] for tensor in batch))
    torch.testing.assert_close(together[1:2], alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", [own for own in OWN if own.conditioning], ids=lambda kind: kind.info.name)
def test_published_conditioning_fits_any_input(kind: Network) -> None:
    assert kind.conditioning is not None
    for rate_hz, duration_s in ((kind.info.sample_rate_hz, kind.info.duration_s), (250.0, 4.0)):
        grid = InputSpec("ecg", STANDARD_LEADS, rate_hz, duration_s)
        manifest = Manifest(grid, Task.MULTILABEL, (Output("A"),), kind.conditioning(grid))
        assert manifest.steps[0].number("rate_hz") == rate_hz


def test_age_and_sex_are_the_published_columns() -> None:
    assert AGE_AND_SEX.row(None, None) == (0.6037, 0.4714, 0.5286, 1.0, 1.0)
    assert AGE_AND_SEX.row(50.0, Sex.FEMALE) == (0.5, 1.0, 0.0, 0.0, 0.0)
    assert AGE_AND_SEX.row(None, Sex.MALE) == (0.6037, 0.0, 1.0, 1.0, 0.0)


def test_a_network_that_an_installed_package_brings_is_found_by_its_entry_point(tmp_path: Path) -> None:
    """A package laid out as pip lays it out; found in a process that has its folder on the path."""
    (tmp_path / "their_network.py").write_text(
        textwrap.dedent("""
        from precordia.models.networks import Network
        from precordia.training import NetworkInfo

        def build(leads, outputs, dropout):
            from torch import nn
            class Theirs(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.head = nn.Linear(leads, outputs)
                def forward(self, x_blt):
                    return self.head(x_blt.mean(dim=2))
            return Theirs()

        NETWORK = Network(NetworkInfo("Theirs", "mean of each lead", 65, "none"), build)
        """)
    )
    installed = tmp_path / "their_network-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: their-network\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text("[precordia.networks]\ntheirs = their_network:NETWORK\n")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from precordia.models.networks import network, networks\n"
        "assert 'torch' not in sys.modules\n"
        "kind = network('theirs')\n"
        "print(len(networks()), kind.info.name, sum(p.numel() for p in kind.build(12, 5, 0.0).parameters()))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == [str(len(OWN) + 1), "Theirs", "65"]
