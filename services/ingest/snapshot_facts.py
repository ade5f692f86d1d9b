"""What a snapshot says of its splits: records, patients, labels, numbers and leads, counted once when it is made.

Whoever is to train on a split learns from them what cannot be learnt, before a sample is read.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from precordia.dataset import GroupFacts, LabelFacts, NumericFacts, SplitFacts
from services.ingest.datasets import Columns, Member
from services.ingest.splits import REST

Leads = Counter[tuple[str, ...]]
"""Sets of leads, with the numbers of records that have them."""


def snapshot_facts(
    columns: Columns, found: Sequence[Member], splits: Mapping[str, Sequence[int]], leads: Mapping[str, Leads]
) -> tuple[SplitFacts, ...]:
    """Facts of the whole, then of each named split. `leads` is by split."""
    named = {name: [found[index] for index in indices] for name, indices in splits.items() if name != REST}
    return (
        _facts("", columns, found, sum(leads.values(), Leads())),
        *(_facts(name, columns, part, leads.get(name, Leads())) for name, part in named.items()),
    )


def _facts(split: str, columns: Columns, part: Sequence[Member], leads: Leads) -> SplitFacts:
    return SplitFacts(
        split=split,
        records=len(part),
        patients=len({member.patient_or_self for member in part}),
        groups=tuple(_group(group, labels, part) for group, labels in columns.items()),
        numeric=_numeric(part),
        lead_sets=tuple(sorted(leads.items(), key=lambda one: (-one[1], one[0]))),
    )


def _group(group: str, labels: Iterable[str], part: Sequence[Member]) -> GroupFacts:
    known = [member for member in part if group in member.labels]
    records: Counter[str] = Counter()
    patients: defaultdict[str, set[str]] = defaultdict(set)
    for member in known:
        for label in member.labels[group]:
            records[label] += 1
            patients[label].add(member.patient_or_self)
    counted = (LabelFacts(label, records[label], len(patients[label])) for label in labels if records[label])
    return GroupFacts(group, len(known), tuple(counted))


def _numeric(part: Sequence[Member]) -> tuple[NumericFacts, ...]:
    values: defaultdict[str, list[float]] = defaultdict(list)
    for member in part:
        for name, value in member.numeric.items():
            values[name].append(value)
    return tuple(NumericFacts(name, len(found), min(found), max(found)) for name, found in values.items())


def facts_to_json(facts: Sequence[SplitFacts]) -> list[dict[str, Any]]:
    """As JSON; the inverse of `facts_from_json`."""
    return [
        {
            "split": one.split,
            "records": one.records,
            "patients": one.patients,
            "groups": [
                [group.name, group.records, [[label.name, label.records, label.patients] for label in group.labels]]
                for group in one.groups
            ],
            "numeric": [[number.name, number.records, number.lowest, number.highest] for number in one.numeric],
            "leads": [[list(leads), count] for leads, count in one.lead_sets],
        }
        for one in facts
    ]


def facts_from_json(value: Sequence[Mapping[str, Any]]) -> tuple[SplitFacts, ...]:
    """From JSON."""
    return tuple(
        SplitFacts(
            one["split"],
            one["records"],
            one["patients"],
            tuple(
                GroupFacts(name, records, tuple(LabelFacts(*label) for label in labels))
                for name, records, labels in one["groups"]
            ),
            tuple(NumericFacts(*number) for number in one["numeric"]),
            tuple((tuple(leads), count) for leads, count in one["leads"]),
        )
        for one in value
    )
