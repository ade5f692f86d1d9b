"""The networks that can be trained from scratch, by name. Importing this imports no torch.

A network takes (batch, leads, samples) float32 and gives logits (batch, outputs); its last layer is
a linear one called `head`, so that the trainer can keep a part of the outputs or freeze the rest.
Other people's networks join as entry points of the group `precordia.networks`: each names a
`Network` value of an installed package.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from precordia.errors import NetworkNotFound
from precordia.training import NetworkInfo

if TYPE_CHECKING:  # torch comes with the builder that is called, never with the table
    from torch import nn

ENTRY_POINTS = "precordia.networks"

Builder = Callable[[int, int, float], "nn.Module"]


@dataclass(frozen=True)
class Network:
    """A network's facts and `build(leads, outputs, dropout)`."""

    info: NetworkInfo
    build: Builder


def _inception_time(leads: int, outputs: int, dropout: float) -> nn.Module:
    from precordia.models.inception_time import InceptionTime, InceptionTimeConfig

    return InceptionTime(InceptionTimeConfig(leads=leads, outputs=outputs, dropout=dropout))


INCEPTION_TIME = Network(
    NetworkInfo(
        name="InceptionTime",
        summary="six inception modules with residual connections; a strong start for any label set",
        parameters=457_605,
        reference="Ismail Fawaz et al., Data Min Knowl Disc 34 (2020), arXiv 1909.04939",
    ),
    _inception_time,
)


def networks() -> Mapping[str, Network]:
    """Every network here by name: our own, then those that installed packages bring."""
    known = {INCEPTION_TIME.info.name: INCEPTION_TIME}
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
