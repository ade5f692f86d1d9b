"""The networks that can be trained from scratch, by name. Importing this imports no torch.

A network takes (batch, leads, samples) float32, and beside it (batch, co-inputs) where it has
co-inputs, and gives logits (batch, outputs); its last layer is a linear one called `head`, so that
the trainer can keep a part of the outputs or freeze the rest. Other people's networks join as entry
points of the group `precordia.networks`: each names a `Network` value of an installed package.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from precordia.errors import NetworkNotFound
from precordia.manifest import CoInput, CoInputs, InputSpec
from precordia.models import ecgfounder
from precordia.steps import Step
from precordia.training import NetworkInfo

if TYPE_CHECKING:  # torch comes with the builder that is called, never with the table
    from torch import Tensor, nn

ENTRY_POINTS = "precordia.networks"

Builder = Callable[[int, int, float], "nn.Module"]
Conditioning = Callable[[InputSpec], tuple[Step, ...]]
Adapter = Callable[[Mapping[str, "Tensor"]], dict[str, "Tensor"]]


@dataclass(frozen=True)
class Grid:
    """Rate and length of the input that a network was published with."""

    rate_hz: float
    duration_s: float


@dataclass(frozen=True)
class Network:
    """A network's facts and `build(leads, outputs, dropout)`.

    Attributes:
        grid: the input it is trained on where a request names none; None = the trainer's.
        conditioning: published steps for an input; None = the trainer's.
        co_inputs: what `forward` takes beside the ECG.
        from_published: names and shapes of the authors' tensors to those of this network.
    """

    info: NetworkInfo
    build: Builder
    grid: Grid | None = None
    conditioning: Conditioning | None = None
    co_inputs: CoInputs | None = None
    from_published: Adapter | None = None


def _inception_time(leads: int, outputs: int, dropout: float) -> nn.Module:
    from precordia.models.inception_time import InceptionTime, InceptionTimeConfig

    return InceptionTime(InceptionTimeConfig(leads=leads, outputs=outputs, dropout=dropout))


def _inception_time_tensors(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    from precordia.models.inception_time import from_published

    return from_published(state)


INCEPTION_TIME = Network(
    NetworkInfo(
        name="InceptionTime",
        summary="six inception modules with residual connections; a strong start for any label set",
        parameters=457_605,
        reference="Ismail Fawaz et al., Data Min Knowl Disc 34 (2020), arXiv 1909.04939",
        flops=454_912_640,
        sample_rate_hz=100.0,
        duration_s=10.0,
    ),
    _inception_time,
    from_published=_inception_time_tensors,
)


def _xception_time(leads: int, outputs: int, dropout: float) -> nn.Module:
    from precordia.models.xception_time import XceptionTime, XceptionTimeConfig

    return XceptionTime(XceptionTimeConfig(leads=leads, outputs=outputs, dropout=dropout))


def _xception_time_tensors(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    from precordia.models.xception_time import from_published

    return from_published(state)


XCEPTION_TIME = Network(
    NetworkInfo(
        name="XceptionTime",
        summary="four modules of depthwise separable convolutions; fewer operations than InceptionTime",
        parameters=401_365,
        reference="Rahimian et al. (2020), arXiv 1911.03803",
        flops=243_024_640,
        sample_rate_hz=100.0,
        duration_s=10.0,
    ),
    _xception_time,
    from_published=_xception_time_tensors,
)


def _xresnet1d101(leads: int, outputs: int, dropout: float) -> nn.Module:
    from precordia.models.xresnet1d import XResNet1d, XResNet1dConfig

    return XResNet1d(XResNet1dConfig(leads=leads, outputs=outputs, dropout=dropout))


def _xresnet1d101_tensors(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    from precordia.models.xresnet1d import from_published

    return from_published(state)


XRESNET1D101 = Network(
    NetworkInfo(
        name="xresnet1d101",
        summary="the PTB-XL benchmark's residual network of 101 layers",
        parameters=1_872_261,
        reference="Strodthoff et al., IEEE J Biomed Health Inform 25 (2021), arXiv 2004.13701",
        flops=162_130_048,
        sample_rate_hz=100.0,
        duration_s=10.0,
    ),
    _xresnet1d101,
    from_published=_xresnet1d101_tensors,
)


def _dsail_snu(leads: int, outputs: int, dropout: float) -> nn.Module:
    from precordia.models.dsail_snu import DsailSnu, DsailSnuConfig

    return DsailSnu(DsailSnuConfig(leads=leads, outputs=outputs, dropout=dropout))


def _dsail_snu_tensors(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    from precordia.models.dsail_snu import from_published

    return from_published(state)


def min_max_conditioning(grid: InputSpec) -> tuple[Step, ...]:
    """Baseline removed by a running median of 2 s, then one range -1..1 for all leads."""
    return (
        Step("resample", 1, {"rate_hz": grid.rate_hz}),
        Step("crop_or_pad", 1, {"duration_s": grid.duration_s}),
        Step("median_baseline", 1, {"window_s": 2.0}),
        Step("min_max", 1, {"by": "record", "low": -1.0, "high": 1.0}),
    )


AGE_AND_SEX = CoInputs(
    "age_and_sex",
    (
        CoInput("age_years", scale=100.0, default=0.6037),
        CoInput("sex_female", default=0.4714),
        CoInput("sex_male", default=0.5286),
        CoInput("age_missing", default=1.0),
        CoInput("sex_missing", default=1.0),
    ),
)
"""Age in centuries, sex in two columns, and what of them is missing; the defaults are the published means."""

DSAIL_SNU = Network(
    NetworkInfo(
        name="DSAIL-SNU",
        summary="wide residual network with squeeze-and-excitation; takes age and sex beside the ECG",
        parameters=1_811_742,
        reference="Min et al., Computing in Cardiology 48 (2021)",
        flops=88_275_065,
        sample_rate_hz=100.0,
        duration_s=10.0,
    ),
    _dsail_snu,
    conditioning=min_max_conditioning,
    co_inputs=AGE_AND_SEX,
    from_published=_dsail_snu_tensors,
)


def _net1d(leads: int, outputs: int, dropout: float) -> nn.Module:
    from precordia.models.net1d import Net1D, Net1DConfig

    return Net1D(Net1DConfig(leads=leads, outputs=outputs, dropout=dropout))


def _net1d_tensors(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    from precordia.models.net1d import from_published

    return from_published(state)


NET1D = Network(
    NetworkInfo(
        name="Net1D",
        summary="ECGFounder's network, large: for its published weights, or for very many records",
        parameters=30_670_389,
        reference="Li et al., NEJM AI (2025), arXiv 2410.04133",
        flops=1_168_492_800,
        sample_rate_hz=ecgfounder.RATE_HZ,
        duration_s=ecgfounder.DURATION_S,
    ),
    _net1d,
    grid=Grid(ecgfounder.RATE_HZ, ecgfounder.DURATION_S),
    conditioning=ecgfounder.conditioning,
    from_published=_net1d_tensors,
)


def _ecg_fm(leads: int, outputs: int, dropout: float) -> nn.Module:
    from precordia.models.ecg_fm import EcgFm, EcgFmConfig

    return EcgFm(EcgFmConfig(leads=leads, outputs=outputs, dropout=dropout))


def _ecg_fm_tensors(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    from precordia.models.ecg_fm import from_published

    return from_published(state)


def z_score_conditioning(grid: InputSpec) -> tuple[Step, ...]:
    """Each lead to mean 0 and standard deviation 1 over what the network sees."""
    return (
        Step("resample", 1, {"rate_hz": grid.rate_hz}),
        Step("crop_or_pad", 1, {"duration_s": grid.duration_s}),
        Step("z_score", 1, {"by": "lead"}),
    )


ECG_FM = Network(
    NetworkInfo(
        name="ECG-FM",
        summary="convolutions and twelve transformer layers, very large: for its published weights",
        parameters=90_377_093,
        reference="McKeen et al. (2024), arXiv 2408.05178",
        flops=14_616_084_224,
        sample_rate_hz=500.0,
        duration_s=5.0,
    ),
    _ecg_fm,
    grid=Grid(500.0, 5.0),
    conditioning=z_score_conditioning,
    from_published=_ecg_fm_tensors,
)

OWN = (INCEPTION_TIME, XCEPTION_TIME, XRESNET1D101, DSAIL_SNU, NET1D, ECG_FM)


def networks() -> Mapping[str, Network]:
    """Every network here by name: our own, then those that installed packages bring."""
    known = {own.info.name: own for own in OWN}
    for entry in entry_points(group=ENTRY_POINTS):
        brought = entry.load()
        if isinstance(brought, Network):
            known.setdefault(brought.info.name, brought)
    return known


def network(name: str) -> Network:
    """The network of this name, in any case.

    Raises:
        NetworkNotFound: there is none; the message lists those there are.
    """
    known = networks()
    for candidate, found in known.items():
        if candidate.lower() == name.lower():
            return found
    raise NetworkNotFound(f"No network '{name[:64]}' here. Known: {', '.join(sorted(known))}.", name=name[:64])
