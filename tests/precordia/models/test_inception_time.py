import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.nn import functional

from precordia.errors import NetworkNotFound
from precordia.models.inception_time import InceptionModule, InceptionTime, InceptionTimeConfig
from precordia.models.networks import INCEPTION_TIME, network, networks
from precordia.models.published import load_published
from tests.precordia.models import published_layouts as layouts


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_has_the_published_number_of_parameters() -> None:
    built = InceptionTime(InceptionTimeConfig(leads=12, outputs=5))
    assert abs(parameters(built) - 457_000) <= 4_570
    assert parameters(built) == network("InceptionTime").info.parameters


def test_a_module_computes_what_one_dimensional_convolutions_compute() -> None:
    torch.manual_seed(0)
    module = InceptionModule(12, InceptionTimeConfig(filters=4)).eval()
    x_blt = torch.randn(2, 12, 60)

    def convolved(layer: nn.Conv2d, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.conv1d(x, layer.weight[:, :, 0], padding=layer.weight.shape[-1] // 2)

    narrow = convolved(module.bottleneck, x_blt)  # type: ignore[arg-type]  # 12 leads: a convolution
    parts = [convolved(branch, narrow) for branch in module.branches]  # type: ignore[arg-type]  # all are convolutions
    parts.append(convolved(module.pooled, nn.functional.max_pool1d(x_blt, 3, 1, 1)))
    wanted = torch.relu(torch.cat(parts, dim=1) / (1 + module.norm.eps) ** 0.5)

    torch.testing.assert_close(module(x_blt.unsqueeze(2)).squeeze(2), wanted)


@pytest.mark.parametrize("leads", [12, 1])
def test_loaded_by_key_it_computes_what_the_tensors_names_say(leads: int) -> None:
    """Against a twin written over the library's own names, for an odd length, where padding shows."""
    state = layouts.tensors(layouts.inception_time(leads, outputs=3))
    built = INCEPTION_TIME.build(leads, 3, 0.0).eval()
    load_published(INCEPTION_TIME, built, state)
    x = torch.randn(2, leads, 301, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(built(x), obvious(state, x), atol=1e-5, rtol=1e-4)


def obvious(state: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    def convolved(name: str, x: torch.Tensor) -> torch.Tensor:
        kernel = state[f"inceptionblock.{name}.weight"]
        return functional.conv1d(x, kernel, padding=kernel.shape[-1] // 2)

    def normed(name: str, x: torch.Tensor) -> torch.Tensor:
        parts = (state[f"inceptionblock.{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        return functional.batch_norm(x, *parts)

    earlier = x
    for number in range(6):
        at = f"inception.{number}"
        narrow = x if x.shape[1] == 1 else convolved(f"{at}.bottleneck", x)
        branches = [convolved(f"{at}.convs.{i}", narrow) for i in range(3)]
        pooled = convolved(f"{at}.maxconvpool.1", functional.max_pool1d(x, 3, 1, 1))
        x = torch.relu(normed(f"{at}.bn", torch.cat([*branches, pooled], dim=1)))
        if number == 2:
            x = earlier = torch.relu(x + normed("shortcut.0.1", convolved("shortcut.0.0", earlier)))
    x = torch.relu(x + normed("shortcut.1", earlier))
    return functional.linear(x.mean(dim=2), state["fc.weight"], state["fc.bias"])


def test_takes_ecgs_of_any_length_and_one_ecg_does_not_change_another() -> None:
    torch.manual_seed(0)
    built = InceptionTime(InceptionTimeConfig(leads=12, outputs=3)).eval()
    batch = torch.randn(4, 12, 250)
    with torch.no_grad():
        together, alone = built(batch), built(batch[2:3])
        assert built(torch.randn(1, 12, 77)).shape == (1, 3)
    torch.testing.assert_close(together[2:3], alone, atol=1e-5, rtol=1e-5)


def test_every_parameter_takes_part() -> None:
    torch.manual_seed(0)
    built = InceptionTime(InceptionTimeConfig(leads=3, outputs=2))
    built(torch.randn(4, 3, 100)).square().sum().backward()
    assert [name for name, value in built.named_parameters() if value.grad is None or not value.grad.any()] == []


def test_a_network_is_found_in_any_case_and_an_unknown_one_lists_those_there_are() -> None:
    assert network("inceptiontime") is networks()["InceptionTime"]
    with pytest.raises(NetworkNotFound, match=r"Known: .*InceptionTime"):
        network("resnet")


def test_the_table_of_networks_imports_no_torch() -> None:
    code = "import sys, precordia.models.networks as n; n.networks(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
