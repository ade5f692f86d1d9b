"""One step of training, and what it changed."""

from __future__ import annotations

import torch
from torch import Tensor, nn

HEAD = "head."


def step(network: nn.Module, inputs: tuple[Tensor, ...], *, head_only: bool) -> tuple[set[str], set[str]]:
    """Names of parameters that a step of Adam changed, and of buffers. Frozen as the training loop freezes."""
    before = {name: value.clone() for name, value in network.state_dict().items()}
    for name, parameter in network.named_parameters():
        parameter.requires_grad = not head_only or name.startswith(HEAD)
    network.train()
    if head_only:
        for module in network.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()
    optimizer = torch.optim.Adam([one for one in network.parameters() if one.requires_grad], lr=1e-3)
    torch.manual_seed(0)
    logits = network(*inputs)
    (logits - torch.randn_like(logits)).square().mean().backward()
    optimizer.step()
    network.eval()
    changed = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    parameters = {name for name, _ in network.named_parameters()}
    return changed & parameters, changed - parameters
