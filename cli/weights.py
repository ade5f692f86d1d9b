"""A network's weights as their authors keep them, on their way to a model that can be served and fine-tuned."""

from __future__ import annotations

from pathlib import Path

import typer

from cli import options
from precordia.catalog import ModelVersion
from precordia.manifest import Task
from precordia.models.untrained_head import UNTRAINED_HEAD
from precordia.training import WeightsContract

SUFFIXES = (".pt", ".pth", ".safetensors")


def is_weights(file: Path) -> bool:
    """Whether a file holds weights by its name, and no graph."""
    return file.suffix.lower() in SUFFIXES


def weights_contract(
    network: str,
    labels: Path | None,
    task: Task | None,
    leads: str | None,
    rate: float | None,
    duration: float | None,
    steps: str | None,
) -> WeightsContract:
    """The options as a contract.

    Raises:
        typer.BadParameter: the network is not named, or an option makes no sense.
    """
    if not network:
        raise typer.BadParameter(
            "Weights alone do not say which network they belong to: give --network NAME; "
            "docs/networks.md lists the networks.",
            param_hint="--network",
        )
    return WeightsContract(
        network=network,
        labels=_labels(labels),
        task=task,
        leads=options.standard_leads(leads),
        sample_rate_hz=rate,
        duration_s=duration,
        conditioning=options.parse_steps(steps, "--conditioning"),
    )


def untrained_head_hint(version: ModelVersion) -> str:
    """What to do with a model that is an encoder with a fresh last layer."""
    return (
        f"! The file holds an encoder without its last layer. {version.ref} is a base for fine-tuning "
        f"(precordia train --base {version.name} --method head ...); its one output, "
        f"'{UNTRAINED_HEAD.name}', means nothing, and it gives no scores."
    )


def _labels(file: Path | None) -> tuple[str, ...]:
    """One label a line, in output order."""
    if file is None:
        return ()
    try:
        lines = file.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise typer.BadParameter("It is no text file that can be read.", param_hint="--labels") from None
    return tuple(line.strip() for line in lines if line.strip())
