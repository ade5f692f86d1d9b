"""Datasets, splits and snapshots as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from precordia.errors import InvalidArgument


class LabelScheme(Enum):
    """How a label table is laid out."""

    AUTO = "auto"
    EXCHANGEAI = "exchangeai"
    """file_name,label,ICD-10; several rows for one file are several labels."""
    PTBXL = "ptbxl"
    CHALLENGE = "challenge"
    TABLE = "table"
    """One row a record, one-hot columns, optional patient and fold columns."""


@dataclass(frozen=True)
class LabelGroup:
    """Labels that belong together ("super_class"), with their numbers of records, in column order."""

    name: str
    labels: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Dataset:
    """A named set of recordings with labels."""

    name: str
    records: int
    labelled: int = 0
    patients: int = 0
    label_groups: tuple[LabelGroup, ...] = ()
    folds: tuple[str, ...] = ()
    created_at: datetime | None = None
    updated_at: datetime | None = None


@dataclass(frozen=True)
class SplitRule:
    """A named part: records of `folds`, or a share of the patients."""

    name: str
    folds: tuple[str, ...] = ()
    patient_fraction: float = 0.0


@dataclass(frozen=True)
class SplitCount:
    """Size of a split."""

    name: str
    records: int
    patients: int


@dataclass(frozen=True)
class Snapshot:
    """A dataset frozen under a digest, with named splits."""

    snapshot_id: str
    dataset: str
    digest: str
    splits: tuple[SplitCount, ...] = ()
    label_groups: tuple[LabelGroup, ...] = ()
    created_at: datetime | None = None


@dataclass(frozen=True)
class SplitRef:
    """A split by name: `NAME`, `NAME:SPLIT`. Empty split = all; empty snapshot = the newest."""

    dataset: str
    split: str = ""
    snapshot_id: str = ""

    @staticmethod
    def parse(text: str) -> SplitRef:
        """From `NAME` or `NAME:SPLIT`.

        Raises:
            InvalidArgument: the name is empty.
        """
        name, _, split = text.partition(":")
        if not name:
            raise InvalidArgument("A dataset is written NAME or NAME:SPLIT.", field="dataset")
        return SplitRef(name, split)


@dataclass(frozen=True)
class ShardTicket:
    """Where one shard of a split is to be had."""

    shard_id: str
    sha256: str
    size_bytes: int
    records: int
    url: str = ""


@dataclass(frozen=True)
class LabelImport:
    """What became of a label table."""

    dataset: Dataset
    matched_records: int
    unmatched_rows: tuple[str, ...] = ()
    unlabelled_records: tuple[str, ...] = ()
    remarks: tuple[str, ...] = field(default_factory=tuple)
