"""What the service hands to the process that quantizes, and what comes back: files in one folder.

order.json, model.onnx, calibration-0.shard ..., check-0.shard ...  ->  chosen.onnx, result.json
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from precordia.manifest import Manifest
from precordia.shard import Shard, decode_shard

ORDER, MODEL, CHOSEN, RESULT = "order.json", "model.onnx", "chosen.onnx", "result.json"


@dataclass(frozen=True)
class Order:
    """The work of one process.

    Attributes:
        manifest_json: the contract of the model, under which ECGs are conditioned and scored.
        temperature, thresholds: its operating points.
        label_group: to hold scores against.
        asked: outputs that the labels answer to.
        calibration, check: shards, by file name; without `check` the patients of `calibration` are divided.
    """

    manifest_json: str
    temperature: float
    thresholds: dict[str, float]
    label_group: str
    asked: list[str]
    calibration: list[str]
    check: list[str]

    @property
    def manifest(self) -> Manifest:
        """The contract."""
        return Manifest.parse(self.manifest_json)

    def write(self, folder: Path) -> None:
        """Into the folder, whole or not at all."""
        write_whole(folder / ORDER, json.dumps(asdict(self)).encode())

    @staticmethod
    def read(folder: Path) -> Order:
        """The inverse of `write`."""
        return Order(**json.loads((folder / ORDER).read_bytes()))


def write_whole(path: Path, content: bytes) -> None:
    """A file that is there whole or not at all, whenever the process ends."""
    beside = path.with_name(path.name + ".part")
    beside.write_bytes(content)
    beside.replace(path)


def shards(folder: Path, names: list[str]) -> Iterator[tuple[int, Shard]]:
    """Shards, one in memory at a time, each with the place of its first record."""
    first = 0
    for name in names:
        shard = decode_shard((folder / name).read_bytes())
        yield first, shard
        first += shard.records
