"""How deep below the head each parameter of a network lies, whatever the network is.

Blocks are found by running the network once and noting in which order its parts are called: names
and order of definition say little of networks that came from elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

MOST = 12
"""Deeper networks are cut into so many stretches: one factor then means the same for 6 blocks and for 100 layers."""


@torch.no_grad()
def depths(network: nn.Module, inputs: Sequence[Tensor]) -> dict[str, int]:
    """Depth of every parameter by name: 0 for the head, 1 for the block before it, at most `MOST`.

    `inputs` is a batch that the network takes. A block is what stands under one number in a
    parameter's name ("blocks.3"), else under its first name ("stem"). Blocks that are never called
    by themselves lie as deep as the one defined before them.
    """
    order = _called(network, inputs)
    body = [block for block in order if block != "head"]
    stretch = max(1, -(-len(body) // MOST))
    deep = {block: 1 + place // stretch for place, block in enumerate(reversed(body))} | {"head": 0}
    found: dict[str, int] = {}
    last = max(deep.values())
    for name, _ in network.named_parameters():
        last = deep.get(_block(name.rpartition(".")[0]), last)
        found[name] = last
    return found


def _called(network: nn.Module, inputs: Sequence[Tensor]) -> list[str]:
    """Blocks in the order of their first call."""
    order: dict[str, None] = {}

    def note(block: str) -> Callable[..., None]:
        return lambda *_: order.setdefault(block)

    hooks = [
        module.register_forward_pre_hook(note(_block(name)))
        for name, module in network.named_modules()
        if any(True for _ in module.parameters(recurse=False))
    ]
    learns = network.training
    network.eval()
    try:
        network(*inputs)
    finally:
        network.train(learns)
        for hook in hooks:
            hook.remove()
    return list(order)


def _block(module: str) -> str:
    parts = module.split(".")
    numbers = [place for place, part in enumerate(parts) if part.isdigit()]
    return ".".join(parts[: numbers[0] + 1]) if numbers else parts[0]
