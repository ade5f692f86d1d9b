"""What cannot be learnt is refused when training is asked for, in words that help, and no worker starts."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from precordia.client import Connection
from precordia.dataset import LabelScheme, SplitRef
from precordia.errors import InvalidLabels, PrecordiaError
from precordia.leads import STANDARD_LEADS
from precordia.manifest import Task
from precordia.record import Hints, Unit
from precordia.source import Source
from precordia.training import Method
from services.trainer.planning.data_checks import shared_patients
from tests.services.trainer import synthetic
from tests.services.trainer.conftest import Neighbours
from tests.services.trainer.made_bases import publish_native
from tests.services.trainer.test_service import spec, training

COUNT = 8
TABLES = {
    # two records a patient; AF of one patient, MI of three, RARE of one
    "study": (
        "ecg_id,patient_id,strat_fold,AF,MI,RARE,steady,gaps,none\n"
        "0,a,1,0,1,1,5,1.5,nan\n1,a,1,0,1,1,5,2.5,\n2,b,1,1,1,0,5,,\n3,b,1,0,1,0,5,,\n"
        "4,c,1,0,1,0,5,1,\n5,c,1,1,0,0,5,1,\n6,d,1,0,0,0,5,1,\n7,d,1,0,0,0,5,1,\n"
    ),
    "af-only": "ecg_id,patient_id,AF\n" + "".join(f"{n},p{n},1\n" for n in range(COUNT)),
    "one-patient": "ecg_id,patient_id,AF\n" + "".join(f"{n},same,{n % 2}\n" for n in range(COUNT)),
    "unlabelled": "",
    "two-leads": "ecg_id,patient_id,AF\n" + "".join(f"{n},p{n},{n % 2}\n" for n in range(COUNT)),
}


@dataclass(frozen=True)
class Case:
    """A request, and what its refusal says."""

    name: str
    dataset: str
    reason: str
    words: tuple[str, ...]
    changes: dict[str, Any] = field(default_factory=dict)


SPEC = "INVALID_TRAINING_SPEC"
CASES = (
    Case("zero-length dataset", "empty", "INVALID_SPLIT", ("holds no recording", "add some")),
    Case("no labels", "unlabelled", SPEC, ("no labels", "label table")),
    Case("no such label", "study", SPEC, ("no label 'LBBB'", "AF, MI, RARE"), {"labels": ("LBBB",)}),
    Case("one class only", "af-only", SPEC, ("Every labelled record", "'AF'", "nothing to tell apart")),
    Case("one class chosen", "study", SPEC, ("nothing to tell apart",), {"labels": ("MI",), "task": Task.MULTICLASS}),
    Case("label of one patient", "study", SPEC, ("'RARE'", "1 patient of", "2 are needed"), {"labels": ("AF", "RARE")}),
    Case("patients and folds", "study", SPEC, ("5 folds", "has 4", "fewer folds"), {"overrides": {"folds": 5}}),
    Case("one patient", "one-patient", SPEC, ("by patient", "has 1 only", "validation split"), {"labels": ("AF",)}),
    Case(
        "NaN targets",
        "study",
        SPEC,
        ("'none'", "NaN are no numbers", "Numeric columns there: steady, gaps"),
        {"task": Task.REGRESSION, "labels": ("none",)},
    ),
    Case(
        "constant target",
        "study",
        SPEC,
        ("same value of 'steady' (5)",),
        {"task": Task.REGRESSION, "labels": ("steady",)},
    ),
    Case("targets not named", "study", SPEC, ("has steady, gaps",), {"task": Task.REGRESSION}),
    Case("leads not there", "two-leads", SPEC, ("12 leads", "V1", "fewer leads")),
    Case(
        "base with other leads",
        "two-leads",
        SPEC,
        ("The base base:1 takes 3 leads", "no record", "V1", "from scratch"),
        {"base": "base", "method": Method.ALL},
    ),
    Case("base is nothing", "study", "NETWORK_NOT_FOUND", ("'resnet' is no network here",), {"base": "resnet"}),
)


async def test_what_cannot_be_learnt_is_refused_before_a_worker_starts(tmp_path: Path, neighbours: Neighbours) -> None:
    async with training(tmp_path, neighbours) as precordia:
        await fill(precordia)
        await publish_native(precordia)
        with pytest.raises(InvalidLabels, match="No row of the table names a record"):
            await precordia.ingest.import_labels("unlabelled", "labels.csv", b"ecg_id,AF\n900,1\n901,0\n")
        for case in CASES:
            wanted = spec(train=SplitRef(case.dataset), test=None, **case.changes)
            with pytest.raises(PrecordiaError) as refused:
                await precordia.trainer.train("never", wanted)
            assert refused.value.reason == case.reason, (case.name, refused.value)
            for word in case.words:
                assert word in refused.value.message, (case.name, refused.value.message)
        assert await precordia.trainer.operations.list() == []
    assert not (tmp_path / "trainer" / "jobs").exists()


def test_patients_in_two_parts_are_warned_of() -> None:
    keys = {
        "train": np.array([b"ann", b"ann", b"bob", b""]),
        "validation": np.array([b"eve", b""]),
        "test": np.array([b"bob", b"ann", b"ann", b"joe"]),
    }
    (warning,) = shared_patients(keys)
    assert warning.startswith("2 patients of the test part are in the training part too")


async def fill(precordia: Connection, names: list[str] | None = None) -> None:
    """The datasets of `TABLES`, and an empty one."""
    signals = np.stack([record.signal.values.T for record in synthetic.records(COUNT)])
    for name in names or [*TABLES, "empty"]:
        if name == "empty":
            await precordia.ingest.create_dataset(name)
            continue
        count = 2 if name == "two-leads" else 12
        content = io.BytesIO()
        np.savez(content, x=signals[:, :, :count], ecg_id=np.arange(COUNT))
        hints = Hints(sample_rate_hz=synthetic.RATE_HZ, unit=Unit.MILLIVOLT, lead_names=STANDARD_LEADS[:count])
        await precordia.ingest.import_source(Source(f"{name}.npz", content.getvalue()), hints, dataset=name)
        if TABLES[name]:
            await precordia.ingest.import_labels(
                name, "labels.csv", TABLES[name].encode(), scheme=LabelScheme.TABLE, patient_column="patient_id"
            )
