"""Datasets, label tables, splits, snapshots and shard tickets."""

from __future__ import annotations

from collections.abc import Iterable

from precordia.dataset import (
    Dataset,
    GroupFacts,
    LabelChoices,
    LabelFacts,
    LabelGroup,
    LabelImport,
    LabelScheme,
    NumericFacts,
    RecordFilter,
    ShardTicket,
    Snapshot,
    SplitCount,
    SplitFacts,
    SplitRef,
    SplitRule,
)
from precordia.errors import InvalidArgument
from precordia.rpc.convert.record_filter import record_filter_from_proto, record_filter_to_proto
from precordia.rpc.convert.timestamps import time_from_proto, time_to_proto
from precordia.v1 import ingest_pb2, types_pb2

_SCHEMES: dict[LabelScheme, ingest_pb2.LabelScheme] = {
    LabelScheme.AUTO: ingest_pb2.LABEL_SCHEME_UNSPECIFIED,
    LabelScheme.EXCHANGEAI: ingest_pb2.LABEL_SCHEME_EXCHANGEAI,
    LabelScheme.PTBXL: ingest_pb2.LABEL_SCHEME_PTBXL,
    LabelScheme.CHALLENGE: ingest_pb2.LABEL_SCHEME_CHALLENGE,
    LabelScheme.TABLE: ingest_pb2.LABEL_SCHEME_TABLE,
}
_SCHEMES_BACK = {number: scheme for scheme, number in _SCHEMES.items()}


def label_scheme_to_proto(scheme: LabelScheme) -> ingest_pb2.LabelScheme:
    """A table's layout; AUTO is UNSPECIFIED."""
    return _SCHEMES[scheme]


def label_scheme_from_proto(number: ingest_pb2.LabelScheme) -> LabelScheme:
    """A table's layout.

    Raises:
        InvalidArgument: it is not known here.
    """
    if number not in _SCHEMES_BACK:
        raise InvalidArgument("This label scheme is not known here.", field="scheme")
    return _SCHEMES_BACK[number]


def label_choices_from_proto(message: ingest_pb2.ImportLabelsHeader) -> LabelChoices:
    """How a table is to be taken."""
    return LabelChoices(
        targets=tuple(message.target_columns),
        statements=message.statements,
        minimum_likelihood=message.minimum_likelihood,
        mapping=message.mapping,
        mapping_table=message.mapping_table,
    )


def label_choices_to_proto(choices: LabelChoices, message: ingest_pb2.ImportLabelsHeader) -> None:
    """How a table is to be taken, into the header that it belongs to."""
    message.target_columns.extend(choices.targets)
    message.statements = choices.statements
    message.minimum_likelihood = choices.minimum_likelihood
    message.mapping = choices.mapping
    message.mapping_table = choices.mapping_table


def label_groups_to_proto(groups: Iterable[LabelGroup]) -> list[ingest_pb2.LabelGroup]:
    """Label groups in column order."""
    return [
        ingest_pb2.LabelGroup(
            name=group.name,
            labels=[ingest_pb2.LabelCount(label=label, records=records) for label, records in group.labels],
        )
        for group in groups
    ]


def label_groups_from_proto(messages: Iterable[ingest_pb2.LabelGroup]) -> tuple[LabelGroup, ...]:
    """Label groups in column order."""
    return tuple(
        LabelGroup(group.name, tuple((count.label, count.records) for count in group.labels)) for group in messages
    )


def dataset_to_proto(dataset: Dataset) -> ingest_pb2.Dataset:
    """A dataset's facts."""
    return ingest_pb2.Dataset(
        name=dataset.name,
        records=dataset.records,
        labelled=dataset.labelled,
        patients=dataset.patients,
        label_groups=label_groups_to_proto(dataset.label_groups),
        folds=dataset.folds,
        created_at=time_to_proto(dataset.created_at),
        updated_at=time_to_proto(dataset.updated_at),
    )


def dataset_from_proto(message: ingest_pb2.Dataset) -> Dataset:
    """A dataset's facts."""
    return Dataset(
        name=message.name,
        records=message.records,
        labelled=message.labelled,
        patients=message.patients,
        label_groups=label_groups_from_proto(message.label_groups),
        folds=tuple(message.folds),
        created_at=time_from_proto(message, "created_at"),
        updated_at=time_from_proto(message, "updated_at"),
    )


def split_rule_to_proto(rule: SplitRule) -> ingest_pb2.SplitRule:
    """A rule that makes a split."""
    return ingest_pb2.SplitRule(name=rule.name, folds=rule.folds, patient_fraction=rule.patient_fraction)


def split_rule_from_proto(message: ingest_pb2.SplitRule) -> SplitRule:
    """A rule that makes a split."""
    return SplitRule(message.name, tuple(message.folds), message.patient_fraction)


def split_ref_to_proto(ref: SplitRef) -> types_pb2.SplitRef:
    """A split by name."""
    return types_pb2.SplitRef(dataset=ref.dataset, split=ref.split, snapshot_id=ref.snapshot_id)


def split_ref_from_proto(message: types_pb2.SplitRef, *, field: str = "split.dataset") -> SplitRef:
    """A split by name.

    Raises:
        InvalidArgument: it names no dataset.
    """
    if not message.dataset:
        raise InvalidArgument("A split names its dataset.", field=field)
    return SplitRef(message.dataset, message.split, message.snapshot_id)


def snapshot_to_proto(snapshot: Snapshot) -> ingest_pb2.Snapshot:
    """A frozen dataset."""
    return ingest_pb2.Snapshot(
        snapshot_id=snapshot.snapshot_id,
        dataset=snapshot.dataset,
        digest=snapshot.digest,
        splits=[
            ingest_pb2.SplitCount(name=split.name, records=split.records, patients=split.patients)
            for split in snapshot.splits
        ],
        created_at=time_to_proto(snapshot.created_at),
        label_groups=label_groups_to_proto(snapshot.label_groups),
        only=record_filter_to_proto(snapshot.only) if snapshot.only != RecordFilter() else None,
        left_out=snapshot.left_out,
        facts=map(split_facts_to_proto, snapshot.facts),
    )


def snapshot_from_proto(message: ingest_pb2.Snapshot) -> Snapshot:
    """A frozen dataset."""
    return Snapshot(
        snapshot_id=message.snapshot_id,
        dataset=message.dataset,
        digest=message.digest,
        splits=tuple(SplitCount(split.name, split.records, split.patients) for split in message.splits),
        label_groups=label_groups_from_proto(message.label_groups),
        created_at=time_from_proto(message, "created_at"),
        only=record_filter_from_proto(message.only),
        left_out=message.left_out,
        facts=tuple(map(split_facts_from_proto, message.facts)),
    )


def split_facts_to_proto(facts: SplitFacts) -> ingest_pb2.SplitFacts:
    """What is in a split."""
    return ingest_pb2.SplitFacts(
        split=facts.split,
        records=facts.records,
        patients=facts.patients,
        groups=[
            ingest_pb2.GroupFacts(
                name=group.name,
                records=group.records,
                labels=[ingest_pb2.LabelFacts(**vars(label)) for label in group.labels],
            )
            for group in facts.groups
        ],
        numeric=[ingest_pb2.NumericFacts(**vars(number)) for number in facts.numeric],
        lead_sets=[ingest_pb2.LeadSet(leads=leads, records=count) for leads, count in facts.lead_sets],
    )


def split_facts_from_proto(message: ingest_pb2.SplitFacts) -> SplitFacts:
    """What is in a split."""
    return SplitFacts(
        split=message.split,
        records=message.records,
        patients=message.patients,
        groups=tuple(
            GroupFacts(
                group.name,
                group.records,
                tuple(LabelFacts(label.name, label.records, label.patients) for label in group.labels),
            )
            for group in message.groups
        ),
        numeric=tuple(
            NumericFacts(number.name, number.records, number.lowest, number.highest) for number in message.numeric
        ),
        lead_sets=tuple((tuple(one.leads), one.records) for one in message.lead_sets),
    )


def shard_ticket_to_proto(ticket: ShardTicket) -> ingest_pb2.ShardTicket:
    """Where a shard is to be had."""
    return ingest_pb2.ShardTicket(
        shard_id=ticket.shard_id,
        sha256=ticket.sha256,
        size_bytes=ticket.size_bytes,
        records=ticket.records,
        url=ticket.url,
    )


def shard_ticket_from_proto(message: ingest_pb2.ShardTicket) -> ShardTicket:
    """Where a shard is to be had."""
    return ShardTicket(message.shard_id, message.sha256, message.size_bytes, message.records, message.url)


def label_import_to_proto(outcome: LabelImport) -> ingest_pb2.ImportLabelsResponse:
    """What became of a label table."""
    return ingest_pb2.ImportLabelsResponse(
        dataset=dataset_to_proto(outcome.dataset),
        matched_records=outcome.matched_records,
        unmatched_rows=outcome.unmatched_rows,
        unlabelled_records=outcome.unlabelled_records,
        warnings=[types_pb2.Warning(code="label_table", message=remark) for remark in outcome.remarks],
        unmapped_labels=[ingest_pb2.LabelCount(label=label, records=records) for label, records in outcome.unmapped],
    )


def label_import_from_proto(message: ingest_pb2.ImportLabelsResponse) -> LabelImport:
    """What became of a label table."""
    return LabelImport(
        dataset=dataset_from_proto(message.dataset),
        matched_records=message.matched_records,
        unmatched_rows=tuple(message.unmatched_rows),
        unlabelled_records=tuple(message.unlabelled_records),
        remarks=tuple(warning.message for warning in message.warnings),
        unmapped=tuple((count.label, count.records) for count in message.unmapped_labels),
    )
