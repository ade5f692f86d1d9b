"""Networks without trained weights: what a model can be trained from besides the registry's models."""

from __future__ import annotations

from typing import Any

from cli.output import Output
from precordia.client import Connection
from precordia.errors import Unavailable
from precordia.training import NetworkInfo


async def untrained(precordia: Connection) -> list[NetworkInfo]:
    """The trainer's networks; none where no trainer answers, which is nothing to stop at for whoever lists models."""
    try:
        return await precordia.trainer.networks()
    except Unavailable:
        return []


def show_untrained(output: Output, networks: list[NetworkInfo]) -> None:
    """A table of them, apart from the models: they have no weights, so they can score nothing."""
    if networks:
        rows = [(one.name, f"{one.parameters:,}", one.summary) for one in networks]
        output.line("Untrained bases, for `precordia train --base NAME`:")
        output.table("networks", ("network", "#parameters", "what it is"), rows)


def untrained_forms(networks: list[NetworkInfo]) -> list[dict[str, Any]]:
    """As in the document of `precordia models`."""
    return [
        {
            "network": one.name,
            "trained": False,
            "parameters": one.parameters,
            "flops": one.flops,
            "reference": one.reference,
        }
        for one in networks
    ]
