import pytest
import torch
from torch import nn

from precordia.models.time_axis import largest_of, mean_in_bins, mean_of_pairs, padded, time_convolution, widened


def signal(samples: int) -> torch.Tensor:
    return torch.randn(2, 3, 1, samples, generator=torch.Generator().manual_seed(samples))


@pytest.mark.parametrize("samples", [50, 100, 1000, 51, 77, 123, 30])
def test_bins_are_those_of_adaptive_pooling(samples: int) -> None:
    x = signal(samples)
    wanted = nn.functional.adaptive_avg_pool1d(x.squeeze(2), 50)
    torch.testing.assert_close(mean_in_bins(x, 50).squeeze(2), wanted)


@pytest.mark.parametrize("samples", [8, 9, 1])
def test_pairs_are_those_of_pooling_that_keeps_the_rest(samples: int) -> None:
    x = signal(samples)
    wanted = nn.functional.avg_pool1d(x.squeeze(2), 2, ceil_mode=True, count_include_pad=False)
    torch.testing.assert_close(mean_of_pairs(x).squeeze(2), wanted)


@pytest.mark.parametrize(("samples", "count"), [(12, 4), (15, 4), (250, 4), (8, 1), (9, 2)])
def test_the_largest_is_that_of_pooling(samples: int, count: int) -> None:
    x = signal(samples)
    torch.testing.assert_close(largest_of(x, count).squeeze(2), nn.functional.max_pool1d(x.squeeze(2), count))


def test_an_odd_zero_comes_behind_and_channels_where_they_are_wanted() -> None:
    assert padded(torch.ones(1, 1, 1, 2), 3).flatten().tolist() == [0, 1, 1, 0, 0]
    assert widened(torch.ones(1, 1, 1, 1), 4, before=1).flatten().tolist() == [0, 1, 0, 0]


def test_a_time_convolution_is_a_one_dimensional_one() -> None:
    layer, x = time_convolution(3, 6, 5, stride=2, groups=3, bias=True), signal(21)
    wanted = nn.functional.conv1d(x.squeeze(2), layer.weight[:, :, 0], layer.bias, stride=2, padding=2, groups=3)
    torch.testing.assert_close(layer(x).squeeze(2), wanted)
