"""Maps the labels of a table to those of another vocabulary. The labels themselves stay; a group is added.

A label has codes: its own name, its ICD-10 code where the table gives one, its SNOMED CT code where its
vocabulary is known. A mapping names the target of codes. A label of which no code has a target is
unmapped: it is answered with its number of records, and stays in its own group.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from precordia.errors import InvalidLabels
from services.ingest.label_table import LabelCode, LabelRow, LabelTable
from services.ingest.vocabularies import READY_MAPPINGS, challenge_terms, mapping_file, ptbxl_statements, read_rows

VOCABULARIES = ("label", "snomed", "icd10", "ptbxl", "ptbxl_superclass", "ptbxl_subclass")
_MAX_TARGETS = 1000


@dataclass(frozen=True)
class LabelMapping:
    """Targets by code, and the group that they make.

    Attributes:
        group: name of the added label group.
        targets: in order.
        by_code: targets of (vocabulary, code).
    """

    group: str
    targets: tuple[str, ...]
    by_code: Mapping[LabelCode, tuple[str, ...]]

    def of(self, codes: Iterable[LabelCode]) -> tuple[str, ...]:
        """Targets of a label by its codes, in the mapping's order; empty = unmapped."""
        found = {target for code in codes for target in self._targets(*code)}
        return tuple(target for target in self.targets if target in found)

    def _targets(self, vocabulary: str, code: str) -> tuple[str, ...]:
        if vocabulary != "icd10":
            return self.by_code.get((vocabulary, code), ())
        # A code of ICD-10 stands for all that are below it: I21 for I21.0.
        plain = code.replace(".", "").upper()
        starts = [plain[:length] for length in range(3, len(plain) + 1)]
        return tuple(target for start in starts for target in self.by_code.get(("icd10", start), ()))


def find_mapping(name: str, table: bytes) -> LabelMapping:
    """A ready mapping by name ("snomed", "challenge", "table1", "table2"), or one from a table.

    Args:
        name: of the mapping; of the added group where a table comes with it.
        table: CSV with `code` (or `label`), `target` and where wanted `vocabulary`; empty = a ready one.

    Raises:
        InvalidLabels: there is no ready mapping of this name, or the table is none.
    """
    if table:
        return read_mapping(table, name or "mapped")
    if name == "snomed":
        return _to_snomed()
    if name == "challenge":
        return _to_challenge()
    content = mapping_file(name)
    if content is None:
        known = ", ".join(("snomed", "challenge", *READY_MAPPINGS))
        raise InvalidLabels(f"There is no ready mapping of this name; these are: {known}. Or give a table.")
    return read_mapping(content, name)


def read_mapping(content: bytes, group: str) -> LabelMapping:
    """A mapping from CSV.

    Raises:
        InvalidLabels: it has not the columns, a vocabulary is not known, or nothing is mapped.
    """
    rows = read_rows(content, what="The mapping table")
    column = next((name for name in ("code", "label") if rows and name in rows[0]), None)
    if column is None or "target" not in rows[0]:
        raise InvalidLabels("A mapping table has the columns 'label' (or 'code') and 'target'.")
    pairs = []
    for number, row in enumerate(rows, start=2):
        vocabulary = row.get("vocabulary") or "label"
        if vocabulary not in VOCABULARIES:
            raise InvalidLabels(f"Row {number}: a vocabulary is one of {', '.join(VOCABULARIES)}.")
        if row[column] and row["target"]:
            pairs.append((vocabulary, row[column], row["target"]))
    return _mapping(group, pairs)


def _mapping(group: str, rows: Sequence[tuple[str, str, str]]) -> LabelMapping:
    by_code: dict[LabelCode, dict[str, None]] = {}
    for vocabulary, code, target in rows:
        if len(target) > 256 or not target.isprintable():
            raise InvalidLabels("A target of a mapping has at most 256 printable characters.")
        key = (vocabulary, code.replace(".", "").upper() if vocabulary == "icd10" else code)
        by_code.setdefault(key, {})[target] = None
    targets = tuple(dict.fromkeys(target for _, _, target in rows))
    if not targets or len(targets) > _MAX_TARGETS:
        raise InvalidLabels(f"A mapping table has 1 to {_MAX_TARGETS} targets.")
    return LabelMapping(group, targets, {key: tuple(found) for key, found in by_code.items()})


def _to_snomed() -> LabelMapping:
    """To SNOMED CT codes: of PTB-XL's statements that have an exact one, of codes themselves, of Challenge terms."""
    rows = [("ptbxl", one.code, one.snomed) for one in ptbxl_statements().values() if one.exact]
    rows += [("snomed", code, code) for code in challenge_terms()]
    return _mapping("snomed", rows)


def _to_challenge() -> LabelMapping:
    """To the scored classes of the Challenge 2021, equal ones as one."""
    terms = challenge_terms()
    rows = [("snomed", code, term.scored_as) for code, term in terms.items() if term.scored_as]
    return _mapping("challenge", rows)


def map_labels(table: LabelTable, mapping: LabelMapping) -> LabelTable:
    """The table with the mapping's group, and with the unmapped labels that it names."""
    if mapping.group in table.columns:
        raise InvalidLabels(f"The table has a label group '{mapping.group}' already; give the mapping another name.")
    targets = {key: mapping.of(codes) for key, codes in table.codes.items()}
    rows = tuple(_mapped_row(row, mapping, targets) for row in table.rows)
    counts = Counter(
        label
        for row in table.rows
        for group, labels in row.labels.items()
        for label in labels
        if (group, label) in targets and not targets[group, label]
    )
    return replace(
        table,
        rows=rows,
        columns={mapping.group: mapping.targets, **table.columns},
        unmapped=tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0]))),
    )


def _mapped_row(row: LabelRow, mapping: LabelMapping, targets: Mapping[tuple[str, str], tuple[str, ...]]) -> LabelRow:
    known = [group for group in row.labels if any(of == group for of, _ in targets)]
    if not known:
        return row
    found = {target for group in known for label in row.labels[group] for target in targets.get((group, label), ())}
    mapped = tuple(target for target in mapping.targets if target in found)
    return replace(row, labels={mapping.group: mapped, **row.labels})
