"""Pages of a list: how many entries, and where the next page begins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import TypeVar

from precordia.catalog import checked_name
from precordia.errors import InvalidArgument

_DEFAULT = 100
_MOST = 1000
_MOST_BYTES = 16 << 20

Entry = TypeVar("Entry")


def checked_size(page_size: int) -> int:
    """Entries of a page; 0 means the default.

    Raises:
        InvalidArgument: more than a page can hold.
    """
    if not 0 <= page_size <= _MOST:
        raise InvalidArgument(f"'page_size' is at most {_MOST}.", field="page_size")
    return page_size or _DEFAULT


def cut(
    found: Sequence[Entry], size: int, token_of: Callable[[Entry], str], weight_of: Callable[[Entry], int]
) -> tuple[Sequence[Entry], str]:
    """One page out of `size` + 1 entries looked up, and the token of the next; empty at the end.

    A page ends early, after one entry at least, where more bytes would not fit one message.
    """
    weights = accumulate(map(weight_of, found[:size]))
    page = found[: max(1, sum(weight <= _MOST_BYTES for weight in weights))]
    return page, token_of(page[-1]) if len(found) > len(page) else ""


def name_of(token: str) -> str:
    """The name after which a page begins; empty for the first."""
    return checked_name(token, field="page_token") if token else ""


def number_of(token: str) -> int:
    """The version below which a page begins; 0 for the first.

    Raises:
        InvalidArgument: it is no token of this list.
    """
    if not token:
        return 0
    if not (token.isascii() and token.isdecimal()) or not 0 < int(token[:10]) < 1 << 31:
        raise InvalidArgument("This page_token was not given by this list.", field="page_token")
    return int(token[:10])
