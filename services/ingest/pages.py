"""Pages of a list by keyset: a token names the last row shown, so pages stay right while rows are added."""

from __future__ import annotations

import base64
import binascii
import json

from precordia.errors import InvalidArgument

DEFAULT_PAGE_SIZE = 100
MAX_PAGE_SIZE = 1000
_ROWS = 1 << 63  # what a database can count to


def checked_page_size(page_size: int) -> int:
    """The number of rows of a page; 0 means the default.

    Raises:
        InvalidArgument: beyond the largest page.
    """
    if not 0 <= page_size <= MAX_PAGE_SIZE:
        raise InvalidArgument(f"A page holds 1 to {MAX_PAGE_SIZE} entries.", field="page_size")
    return page_size or DEFAULT_PAGE_SIZE


def page_token(after: int, scope: str) -> str:
    """An opaque token: go on after row `after` of the list `scope`."""
    return base64.urlsafe_b64encode(json.dumps([after, scope]).encode()).decode()


def token_row(token: str, scope: str) -> int:
    """The row after which to go on; 0 without a token.

    Raises:
        InvalidArgument: the token is none of ours, or belongs to another list.
    """
    if not token:
        return 0
    try:
        after, of = json.loads(base64.urlsafe_b64decode(token.encode()))
    except (binascii.Error, ValueError, TypeError, RecursionError):
        after, of = None, None
    if type(after) is not int or not 0 < after < _ROWS or of != scope:
        raise InvalidArgument("The page token does not belong to this list; begin without one.", field="page_token")
    return after
