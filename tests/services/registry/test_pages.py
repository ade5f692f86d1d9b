"""Pages of models: by number, and by what one message holds."""

from __future__ import annotations

import pytest

from services.registry.pages import cut

MIB = 1 << 20


@pytest.mark.parametrize(
    ("weights", "size", "page", "token"),
    [
        ([1, 1, 1], 2, [1, 1], "1"),
        ([1, 1], 2, [1, 1], ""),
        ([9 * MIB, 8 * MIB, 1], 3, [9 * MIB], str(9 * MIB)),
        ([40 * MIB, 1], 2, [40 * MIB], str(40 * MIB)),
        ([], 2, [], ""),
    ],
)
def test_a_page_ends_with_its_size_or_before_it_grows_too_heavy(
    weights: list[int], size: int, page: list[int], token: str
) -> None:
    assert cut(weights, size, str, lambda weight: weight) == (page, token)
