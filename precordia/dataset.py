"""Datasets, splits and snapshots as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from precordia.errors import InvalidArgument
from precordia.quality import Grade
from precordia.record import Sex


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
class LabelChoices:
    """How a label table is to be taken.

    Attributes:
        targets: columns that are numeric targets (age, LVEF, QTc), and the only ones; empty = all numbers.
        statements: PTB-XL's `scp_statements.csv`; empty = the statements of PTB-XL 1.0.3.
        minimum_likelihood: statements of PTB-XL that are stated with less are left out; 0 = none is.
        mapping: a ready mapping ("snomed", "challenge", "table1", "table2"), or the name of the group
            that `mapping_table` makes.
        mapping_table: CSV with the columns label (or code), target and, where wanted, vocabulary.
    """

    targets: tuple[str, ...] = ()
    statements: bytes = b""
    minimum_likelihood: float = 0.0
    mapping: str = ""
    mapping_table: bytes = b""


@dataclass(frozen=True)
class RecordFilter:
    """Which records of a dataset a snapshot takes. A record whose age, sex or quality is asked for and unknown is not.

    Attributes:
        least_grade: the worst quality that is taken.
        labels: one of them at least is present ("label", or "group:label").
        without: none of them is present.
    """

    least_age_years: float | None = None
    most_age_years: float | None = None
    sex: Sex | None = None
    least_grade: Grade | None = None
    labels: tuple[str, ...] = ()
    without: tuple[str, ...] = ()


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
class LabelFacts:
    """How many records and patients of a split have a label."""

    name: str
    records: int
    patients: int


@dataclass(frozen=True)
class GroupFacts:
    """A label group in a split: `records` have an opinion on it."""

    name: str
    records: int
    labels: tuple[LabelFacts, ...] = ()

    def patients_with(self, label: str) -> int:
        """Patients who have the label; 0 where no record does."""
        return next((facts.patients for facts in self.labels if facts.name == label), 0)

    def records_with(self, label: str) -> int:
        """Records that have the label."""
        return next((facts.records for facts in self.labels if facts.name == label), 0)


@dataclass(frozen=True)
class NumericFacts:
    """A numeric target in a split: `records` have a value, from `lowest` to `highest`."""

    name: str
    records: int
    lowest: float
    highest: float


@dataclass(frozen=True)
class SplitFacts:
    """What is known of a split before its samples are read.

    Attributes:
        split: its name; empty = the whole snapshot.
        lead_sets: sets of leads that records have (or that follow from those they have), with their
            numbers of records.
    """

    split: str
    records: int
    patients: int
    groups: tuple[GroupFacts, ...] = ()
    numeric: tuple[NumericFacts, ...] = ()
    lead_sets: tuple[tuple[tuple[str, ...], int], ...] = ()

    def group(self, name: str) -> GroupFacts | None:
        """Facts of a label group; None where no record has an opinion on it."""
        return next((facts for facts in self.groups if facts.name == name), None)

    def number(self, name: str) -> NumericFacts | None:
        """Facts of a numeric target; None where no record has a value."""
        return next((facts for facts in self.numeric if facts.name == name), None)


@dataclass(frozen=True)
class Snapshot:
    """A dataset frozen under a digest, with named splits."""

    snapshot_id: str
    dataset: str
    digest: str
    splits: tuple[SplitCount, ...] = ()
    label_groups: tuple[LabelGroup, ...] = ()
    created_at: datetime | None = None
    only: RecordFilter = field(default_factory=RecordFilter)
    """Which records of the dataset were taken."""
    left_out: int = 0
    """Records of the dataset that were not."""
    facts: tuple[SplitFacts, ...] = ()
    """Of the whole, then of each split; empty for snapshots from before they were counted."""


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
    unmapped: tuple[tuple[str, int], ...] = ()
    """Labels that the mapping has no target for, with their numbers of rows; they stay in their own group."""
