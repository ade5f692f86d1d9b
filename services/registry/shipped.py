"""Models that come with the package, published once into a registry that never had any.

Each folder of `services/registry/shipped` is a model: `manifest.json`, `model.onnx`,
`weights.safetensors` and, where it has them, `operating_points.json`, `model_card.md`,
`report.json` and `report.html`. Its version gets the alias `shipped`.
"""

from __future__ import annotations

import hashlib
import logging
from importlib.resources import files
from importlib.resources.abc import Traversable

from precordia.catalog import (
    MODEL_CARD,
    MODEL_ONNX,
    OPERATING_POINTS,
    REPORT,
    REPORT_HTML,
    WEIGHTS,
    Artifact,
    Lineage,
)
from precordia.errors import PrecordiaError
from precordia.manifest import Manifest
from services.registry.catalog import Catalog
from services.registry.orders import PublishOrder

log = logging.getLogger(__name__)

SHIPPED_ALIAS = "shipped"
MANIFEST_FILE = "manifest.json"
_FILES = (MODEL_ONNX, WEIGHTS, MODEL_CARD, REPORT, REPORT_HTML)


def shipped_models() -> Traversable:
    """The folder of models inside the package."""
    return files("services.registry") / "shipped"


def publish_shipped(catalog: Catalog, folder: Traversable) -> int:
    """Publish what the package carries into a registry that never had another model.

    What was published before, even if deleted since, is not published again; a first start that was
    cut short is completed. A model that cannot be published is reported, and the service goes on.

    Returns:
        How many models were published.
    """
    shipped = {model.name: model for model in folder.iterdir() if _is_model(model)} if folder.is_dir() else {}
    known = catalog.known_names()
    if known - shipped.keys():
        return 0
    return sum(_publish(catalog, shipped[name]) for name in sorted(shipped.keys() - known))


def _is_model(folder: Traversable) -> bool:
    return folder.is_dir() and all((folder / name).is_file() for name in (MANIFEST_FILE, MODEL_ONNX, WEIGHTS))


def _publish(catalog: Catalog, folder: Traversable) -> bool:
    try:
        _publish_files(catalog, folder)
    except PrecordiaError as error:
        log.error("the shipped model %s cannot be published: %s", folder.name, error.message)
        return False
    log.info("shipped model published: %s", folder.name)
    return True


def _publish_files(catalog: Catalog, folder: Traversable) -> None:
    manifest = Manifest.parse((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
    points = folder / OPERATING_POINTS
    with catalog.reception() as reception:
        for name in (name for name in _FILES if (folder / name).is_file()):
            content = (folder / name).read_bytes()
            reception.begin(Artifact(name, hashlib.sha256(content).hexdigest(), len(content)))
            reception.write(content)
        order = PublishOrder(
            folder.name,
            manifest,
            Lineage("shipped"),
            (SHIPPED_ALIAS,),
            operating_points_json=points.read_text(encoding="utf-8") if points.is_file() else "",
        )
        catalog.publish(order, reception.finish())
