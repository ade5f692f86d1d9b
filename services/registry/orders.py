"""What callers ask the registry to keep, and the rules for names and facts in it."""

from __future__ import annotations

import json
from dataclasses import dataclass

from precordia.catalog import LATEST, Lineage, checked_name
from precordia.errors import InvalidArgument
from precordia.manifest import Manifest
from services.registry.operating_points import checked_operating_points

ORIGINS = ("imported", "trained", "finetuned", "quantized", "shipped")
_LONGEST_DETAILS = 1 << 20
_LONGEST_REQUEST_ID = 128
_MOST_ALIASES = 32


@dataclass(frozen=True)
class PublishOrder:
    """What an author says of a new version, before its files."""

    name: str
    manifest: Manifest
    lineage: Lineage
    aliases: tuple[str, ...] = ()
    request_id: str = ""
    operating_points_json: str = ""


@dataclass(frozen=True)
class ImportOrder:
    """What a user says of a file they bring. Without a manifest, the file's metadata must do."""

    name: str
    manifest: Manifest | None = None
    request_id: str = ""


def check_publish(order: PublishOrder) -> None:
    """Refuse what cannot be recorded.

    Raises:
        InvalidArgument: a name, an alias, the request id, the lineage or the operating points are unusable.
    """
    checked_name(order.name)
    if len(order.aliases) > _MOST_ALIASES:
        raise InvalidArgument(f"A version is given {_MOST_ALIASES} aliases at most.", field="aliases")
    for alias in order.aliases:
        checked_alias(alias)
    _check_request_id(order.request_id)
    if order.lineage.origin not in ORIGINS:
        raise InvalidArgument(f"'lineage.origin' is one of {', '.join(ORIGINS)}.", field="lineage.origin")
    _check_details(order.lineage.details_json)
    if order.operating_points_json:
        checked_operating_points(order.operating_points_json, order.manifest)


def check_import(order: ImportOrder) -> None:
    """Refuse what cannot be recorded.

    Raises:
        InvalidArgument: the name or the request id is unusable.
    """
    checked_name(order.name)
    _check_request_id(order.request_id)


def _check_details(text: str) -> None:
    try:
        if text and (len(text) > _LONGEST_DETAILS or not isinstance(json.loads(text), dict)):
            raise ValueError
    except (ValueError, RecursionError):
        raise InvalidArgument("'lineage.details_json' is a JSON object of at most 1 MiB.", field="lineage") from None


def _check_request_id(request_id: str) -> None:
    if len(request_id) > _LONGEST_REQUEST_ID or not (request_id.isascii() and request_id.isprintable()):
        raise InvalidArgument(
            f"A request_id has at most {_LONGEST_REQUEST_ID} characters, printable ASCII; a UUID is best.",
            field="request_id",
        )


def checked_alias(alias: str) -> str:
    """The alias, if it can be set: `latest` is implicit, and a number is a version.

    Raises:
        InvalidArgument: it cannot.
    """
    if checked_name(alias, field="alias") == LATEST:
        raise InvalidArgument(f"'{LATEST}' always means the newest version; use another alias.", field="alias")
    if alias.isdecimal():
        raise InvalidArgument("A number means a version; an alias has a letter at least.", field="alias")
    return alias
