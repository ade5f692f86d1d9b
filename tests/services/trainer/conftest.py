"""Neighbours of the trainer for its tests: real ingest and registry, in this process, with a labelled dataset."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from precordia.client import Addresses, connect
from precordia.dataset import LabelScheme, SplitRule
from precordia.leads import STANDARD_LEADS
from precordia.record import Hints, Unit
from precordia.rpc.server import serving
from precordia.source import Source
from services.ingest.__main__ import build as build_ingest
from services.ingest.settings import IngestSettings
from services.registry.__main__ import build as build_registry
from services.registry.settings import RegistrySettings
from tests.services.trainer import synthetic

COUNT = 48


@dataclass(frozen=True)
class Neighbours:
    """Addresses of ingest and registry."""

    ingest: str
    registry: str


@pytest.fixture
async def neighbours(tmp_path: Path) -> AsyncIterator[Neighbours]:
    ingest_app = build_ingest(IngestSettings(home=tmp_path, listen="127.0.0.1:0"))
    registry_app = build_registry(RegistrySettings(home=tmp_path, listen="127.0.0.1:0", publish_shipped=False))
    async with serving(ingest_app) as ingest, serving(registry_app) as registry:
        await fill(ingest)
        yield Neighbours(ingest, registry)


async def fill(ingest: str) -> None:
    """Dataset "made": 48 labelled ECGs, folds 1-3, splits "train" (1, 2) and "test" (3)."""
    made = synthetic.records(COUNT)
    content, samples = io.BytesIO(), np.stack([record.signal.values.T for record in made])
    np.savez(content, x=samples, ecg_id=np.arange(COUNT))
    hints = Hints(sample_rate_hz=synthetic.RATE_HZ, unit=Unit.MILLIVOLT, lead_names=STANDARD_LEADS)
    async with connect(Addresses(ingest=ingest)) as precordia:
        await precordia.ingest.import_source(Source("made.npz", content.getvalue()), hints, dataset="made")
        await precordia.ingest.import_labels(
            "made",
            "labels.csv",
            label_table(made),
            scheme=LabelScheme.TABLE,
            patient_column="patient_id",
            fold_column="strat_fold",
        )
        rules = (SplitRule("train", folds=("1", "2")), SplitRule("test", folds=("3",)))
        await precordia.ingest.create_snapshot("made", rules)


def label_table(made: list[synthetic.ShardRecord]) -> bytes:
    rows = ["ecg_id,patient_id,strat_fold,shape:FAST,shape:WIDE,speed:QUICK,speed:SLOW"]
    for number, record in enumerate(made):
        fast, wide = ("FAST" in record.targets["shape"]), ("WIDE" in record.targets["shape"])
        fold = 3 if number >= 36 else 1 + number // 18
        rows.append(f"{number},{number // 2},{fold},{fast:d},{wide:d},{fast:d},{not fast:d}")
    return "\n".join(rows).encode()
