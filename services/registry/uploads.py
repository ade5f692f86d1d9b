"""Uploads part by part, as a stream brings them: an order first, then files."""

from __future__ import annotations

from dataclasses import replace
from types import TracebackType
from typing import Self, TypeVar

from precordia.catalog import MODEL_ONNX, Artifact, ModelVersion
from precordia.errors import InvalidArgument
from services.registry.catalog import Catalog
from services.registry.orders import ImportOrder, PublishOrder, check_import, check_publish


class Publication:
    """One version on its way in; leaving the `with` block before `finish` abandons it."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._reception = catalog.reception()
        self._order: PublishOrder | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reception.__exit__(kind, error, trace)

    def take(self, part: PublishOrder | Artifact | bytes) -> None:
        """The next part of the stream.

        Raises:
            InvalidArgument: parts come in another order than header, then files.
        """
        if isinstance(part, PublishOrder):
            _once(self._order)
            check_publish(part)
            self._order = part
        elif isinstance(part, Artifact):
            _ordered(self._order)
            self._reception.begin(part)
        else:
            self._reception.write(part)

    def finish(self) -> tuple[ModelVersion, bool]:
        """All parts came: record the version."""
        return self._catalog.publish(_ordered(self._order), self._reception.finish())


class Importation:
    """One ONNX file on its way in; leaving the `with` block before `finish` abandons it."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._reception = catalog.reception()
        self._order: ImportOrder | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reception.__exit__(kind, error, trace)

    def take(self, part: tuple[ImportOrder, Artifact] | bytes) -> None:
        """The next part of the stream.

        Raises:
            InvalidArgument: parts come in another order than header, then chunks.
        """
        if isinstance(part, bytes):
            self._reception.write(part)
            return
        _once(self._order)
        check_import(part[0])
        self._order = part[0]
        self._reception.begin(replace(part[1], name=MODEL_ONNX))  # whatever the user's file is called

    def finish(self) -> tuple[ModelVersion, bool]:
        """All parts came: examine and record the model."""
        order = _ordered(self._order)
        (file,) = self._reception.finish()
        return self._catalog.import_model(order, file)


Order = TypeVar("Order", PublishOrder, ImportOrder)


def _once(order: PublishOrder | ImportOrder | None) -> None:
    if order is not None:
        raise InvalidArgument("The header came twice.", field="header")


def _ordered(order: Order | None) -> Order:
    if order is None:
        raise InvalidArgument("The first message is the header.", field="header")
    return order
